"""Words of several scripts for the made-up shop: accents, ligatures, right-to-left text, emoji."""

from __future__ import annotations

import random
import unicodedata
from typing import Final

COUNTRIES: Final = (
    ("AT", "Österreich", 20), ("BR", "Brasil", 17.5), ("CH", "Schweiz", 8.1), ("CI", "Côte d’Ivoire", 18),
    ("CZ", "Česko", 21), ("DE", "Deutschland", 19), ("EG", "مصر", 14), ("ES", "España", 21),
    ("FI", "Suomi", 25.5), ("FR", "France", 20), ("GR", "Ελλάδα", 24), ("IL", "ישראל", 18),
    ("IN", "भारत", 18), ("IS", "Ísland", 24), ("JP", "日本", 10), ("KR", "대한민국", 10),
    ("PL", "Polska", 23), ("TR", "Türkiye", 20), ("UA", "Україна", 20), ("VN", "Việt Nam", 10),
)  # fmt: skip
"""Code, name, tax rate."""

DEPARTMENTS: Final = (
    "Books",
    "Café",
    "Garten",
    "Möbel",
    "Музыка",
    "玩具",
    "Kitchen & Bath",
    "Tools",
    "Wine",
    "Ψηφιακά",
)
FIRST_NAMES: Final = (
    "Ada", "Åsa", "Björn", "Chloé", "Đorđe", "Ewa", "Fatima", "Grace", "Hélène", "Ivan", "Jürgen", "Kaito",
    "Łucja", "Mária", "Nguyễn", "Óscar", "Priya", "Quentin", "Renée", "Søren", "Tomáš", "Ümit", "Zoë", "Иван", "李娜",
)  # fmt: skip
LAST_NAMES: Final = (
    "Abdi", "Bäcker", "Çelik", "D’Angelo", "Eriksson", "Fernández", "Großmann", "Hughes", "Ito", "Jørgensen",
    "Kowalski", "Lefèvre", "Müller", "Nowak", "O'Brien", "Papadopoulos", "Rossi", "Šimić", "Tanaka", "Weiß", "王",
)  # fmt: skip
ADJECTIVES: Final = ("blue", "brave", "cosy", "fancy", "grün", "heavy", "modern", "old", "quiet", "simple", "très chic")
THINGS: Final = (
    "basket",
    "chair",
    "clock",
    "Espresso-Maschine",
    "glove",
    "kettle",
    "lamp",
    "notebook",
    "teapot",
    "茶碗",
)
COLOURS: Final = ("amber", "black", "coral", "ivory", "mint", "navy", "ochre", "plum", "teal", "white")
LANGUAGES: Final = ("de", "el", "en", "fr", "he", "ja", "pl", "uk")
EVENT_KINDS: Final = ("view", "view", "view", "search", "basket", "login", "logout")
NOTES: Final = (
    "gift, please wrap 🎁",
    "don't ring the bell",
    'leave it "behind the shed"',
    "two lines:\nsecond line\twith a tab",
    "C:\\shop\\new",
    "שלום",
    "100% sure; NULL is not nothing",
    "",
)
_CLAUSES: Final = (
    "arrived on time", "better than the old one", "does what it says", "fell apart after a week", "for my mother",
    "great value 👍", "ich bin begeistert", "looks smaller than in the picture", "smells of paint", "would buy again",
    "très pratique", "とても良い",
)  # fmt: skip


def sentences(choice: random.Random, count: int) -> str:
    """Make up some sentences."""
    return " ".join(choice.choice(_CLAUSES).capitalize() + "." for _ in range(count))


def plain(name: str) -> str:
    """Write a name as it stands in an e-mail address: ASCII letters alone."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "".join(letter for letter in letters if letter.isalpha()) or "x"
