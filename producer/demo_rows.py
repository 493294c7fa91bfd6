"""The made-up shop's rows, table by table, in an order in which every row's parents come first."""

from __future__ import annotations

import json
import random
import struct
import uuid
import zlib
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

from producer import demo_words as words

Row = tuple[Any, ...]

CATEGORIES = 120
CUSTOMERS = 20_000
PRODUCTS = 4_000
IMAGES_OF_EVERY = 2  # products; each such product has one or two
ORDERS = 40_000
REVIEWS = 12_000
EVENTS = 60_000
_OPENED = datetime(2019, 4, 1)  # noqa: DTZ001 - the shop keeps local times without a zone, as many do
_OPEN_DAYS = 2_000
_DAY_SECONDS = 86_400


class ShopRows:
    """Makes the rows; everything follows from the seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - made-up data
        self._orders: list[tuple[int, int, datetime]] = []
        self._lines: list[Row] = []

    def tables(self) -> Iterator[tuple[str, Iterable[Row]]]:
        """Yield each table's name and rows; read them in this order, since later ones refer to earlier ones."""
        yield "countries", words.COUNTRIES
        yield "categories", self._categories()
        yield "customers", self._customers()
        yield "products", self._products()
        yield "product_images", self._images()
        yield "orders", self._make_orders()
        yield "order_lines", self._lines
        yield "Line Returns", self._returns()
        yield "reviews", self._reviews()
        yield "EVENTS", self._events()

    def _categories(self) -> Iterator[Row]:
        for number in range(1, CATEGORIES + 1):
            parent = None if number <= len(words.DEPARTMENTS) else self._random.randrange(1, number)
            name = words.DEPARTMENTS[(number - 1) % len(words.DEPARTMENTS)]
            yield number, parent, name if parent is None else f"{name} {number}", self._random.randrange(100)

    def _customers(self) -> Iterator[Row]:
        pick = self._random.choice
        for number in range(1, CUSTOMERS + 1):
            first, last = pick(words.FIRST_NAMES), pick(words.LAST_NAMES)
            created = self._moment()
            born = date(1940, 1, 1) + timedelta(days=self._random.randrange(24_000))
            yield (
                number,
                str(uuid.UUID(int=self._random.getrandbits(128), version=4)),
                f"{words.plain(first)}.{words.plain(last)}{number}@example.org",
                f"{first} {last}",
                pick(words.COUNTRIES)[0] if self._mostly() else None,
                born.isoformat() if self._mostly() else None,
                int(self._random.random() < 0.3),
                self._preferences() if self._mostly() else None,
                str(created),
                str(created + timedelta(seconds=self._random.randrange(_DAY_SECONDS * 90), microseconds=number))
                if self._mostly()
                else None,
            )

    def _preferences(self) -> str:
        pick = self._random.choice
        chosen = {"language": pick(words.LANGUAGES), "dark": self._mostly(), "topics": [pick(words.ADJECTIVES)]}
        return json.dumps(chosen, ensure_ascii=False)

    def _products(self) -> Iterator[Row]:
        pick = self._random.choice
        for number in range(1, PRODUCTS + 1):
            title = f"{pick(words.ADJECTIVES)} {pick(words.THINGS)}"
            yield (
                number,
                f"{pick('ABCDEFGH')}{pick('KLMNP')}-{number:06d}",
                title,
                words.sentences(self._random, 3) if self._mostly() else None,
                self._random.randrange(1, CATEGORIES + 1),
                self._amount(20_000),
                round(self._random.lognormvariate(0, 1), 3) if self._mostly() else None,
                int(self._mostly()),
                json.dumps({"colour": pick(words.COLOURS), "sizes": self._random.sample(range(30, 50), 3)}),
                (_OPENED + timedelta(days=self._random.randrange(_OPEN_DAYS))).date().isoformat(),
            )

    def _images(self) -> Iterator[Row]:
        for product in range(1, PRODUCTS + 1, IMAGES_OF_EVERY):
            for position in range(1, self._random.randrange(2, 4)):
                small = _png(4, self._random.randbytes(3)) if self._mostly() else None
                yield product, position, "image/png", _png(24, self._random.randbytes(3)), small

    def _make_orders(self) -> Iterator[Row]:
        for number in range(1, ORDERS + 1):
            placed = self._moment()
            cents = self._make_lines(number)
            paid = placed + timedelta(seconds=self._random.randrange(_DAY_SECONDS)) if self._mostly() else None
            status = "new" if paid is None else self._random.choice(("paid", "sent", "sent", "sent", "returned"))
            self._orders.append((number, self._random.randrange(1, CUSTOMERS + 1), placed))
            yield (
                number,
                self._orders[-1][1],
                f"{placed:%Y%m}-{number:06d}",
                status,
                cents / 100,
                str(placed),
                paid and str(paid),
                self._random.choice(words.NOTES) if self._random.random() < 0.1 else None,
            )

    def _make_lines(self, order: int) -> int:
        """Add an order's lines and return their sum in cents."""
        cents = 0
        for line in range(1, self._random.choice((1, 1, 2, 2, 3, 5)) + 1):
            price, quantity = self._amount(20_000), self._random.choice((1, 1, 1, 2, 4))
            self._lines.append((order, line, self._random.randrange(1, PRODUCTS + 1), quantity, price))
            cents += round(price * 100) * quantity
        return cents

    def _returns(self) -> Iterator[Row]:
        for order, line, _, quantity, price in self._random.sample(self._lines, len(self._lines) // 50):
            day = self._orders[order - 1][2].date() + timedelta(days=self._random.randrange(1, 30))
            reason = self._random.choice(words.NOTES) if self._mostly() else None
            yield order, line, day.isoformat(), reason, round(price * quantity, 2) if self._mostly() else None

    def _reviews(self) -> Iterator[Row]:
        for number in range(1, REVIEWS + 1):
            yield (
                number * 3,  # with gaps, as where reviews were removed
                self._random.randrange(1, PRODUCTS + 1),
                self._random.randrange(1, CUSTOMERS + 1) if self._mostly() else None,
                self._random.choice((1, 2, 3, 4, 4, 5, 5, 5)),
                words.sentences(self._random, 2),
                str(self._moment()),
            )

    def _events(self) -> Iterator[Row]:
        for number in range(EVENTS):
            yield (
                str(self._moment()),
                self._random.choice(words.EVENT_KINDS),
                self._random.randrange(1, CUSTOMERS + 1) if self._mostly() else None,
                f'{{"page": {number % 977}, "from": "/{self._random.choice(words.COLOURS)}"}}',
                self._random.expovariate(0.01) if self._mostly() else None,
            )

    def _moment(self) -> datetime:
        return _OPENED + timedelta(seconds=int(self._random.random() * _OPEN_DAYS * _DAY_SECONDS))

    def _amount(self, most_cents: int) -> float:
        return int(self._random.random() * most_cents) / 100

    def _mostly(self) -> bool:
        return self._random.random() < 0.9


def _png(side: int, colour: bytes) -> bytes:
    """Draw a square picture of one colour."""
    pixels = zlib.compress((b"\0" + colour * side) * side)
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_part(kind, content) for kind, content in parts)


def _part(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
