"""Rejects in the ledger, over the connection of either driver: as many as there are, as wide as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace

import pytest
from ledgerkit import open_ledger, plan_of, record
from targetkit import SESSION

from shared.ledger import attempts
from shared.ledger.attempts import claim_if_pending, record_rejects
from shared.ledger.comparisons import rejects_of
from shared.ledger.engine import LedgerStore
from shared.ledger.jobs import read_chunks
from shared.ledger.session import ArrowLedger, Ledger
from shared.records.keys import RawText
from shared.records.plan import TablePlan
from shared.records.work import Chunk, Reject
from shared.target.connections import begin, commit, connect_arrow

Transactions = Callable[[], AbstractContextManager[Ledger]]
_COLUMNS = ("id", "text", "blob", "number")


@pytest.fixture
def store(target_url: str) -> Iterator[LedgerStore]:
    """A ledger in a fresh database."""
    with open_ledger(target_url) as opened:
        yield opened


@pytest.fixture(params=["psycopg2", "adbc"])
def transactions(request: pytest.FixtureRequest, store: LedgerStore, target_url: str) -> Transactions:
    """What opens a transaction of either driver."""

    @contextmanager
    def over_arrow() -> Iterator[Ledger]:
        with closing(connect_arrow(target_url, SESSION)) as connection:
            begin(connection)
            yield ArrowLedger(connection)
            commit(connection)

    return over_arrow if request.param == "adbc" else store.transaction


@pytest.fixture
def chunk(store: LedgerStore) -> Chunk:
    """A claimed chunk."""
    _, table_id = record(store, chunks=1)
    with store.transaction() as ledger:
        claimed = claim_if_pending(ledger, read_chunks(ledger, table_id)[0].id, "w:1")
    assert claimed is not None
    return claimed


def _plan() -> TablePlan:
    plan = plan_of("t")
    return replace(plan, read=replace(plan.read, columns=_COLUMNS))


def test_rejects_come_back_as_they_went_in(
    monkeypatch: pytest.MonkeyPatch, transactions: Transactions, store: LedgerStore, chunk: Chunk
) -> None:
    """Narrow ones go together and wide ones alone; every value keeps its class, NUL and bad UTF-8 included."""
    monkeypatch.setattr(attempts, "_REJECTS_LENGTH", 60)
    monkeypatch.setattr(attempts, "_WIDE", 10)
    wide = "é" * 40, b"\x00\xff" * 40
    rows: list[tuple[str | None, tuple[int | float | str | bytes | RawText | None, ...]]] = [
        (None, (1, "a\"b'\\", b"\xff", 1.5)),
        ("text", (2, "a\0b", b"", None)),
        ("text", (3, RawText(b"a\xff"), None, -0.0)),
        ("blob", (4, wide[0], wide[1], 2**62)),
        ("text", (5, "n\0" * 30, b"x", float("inf"))),
        (None, (6, wide[0], None, "7")),
        ("number", (7, "x" * 40, None, "y" * 30)),
    ]
    found = [Reject(key=(row[0],), values=row, column=column, reason=f"why {row[0]}") for column, row in rows]
    with transactions() as ledger:
        record_rejects(ledger, chunk, _plan(), found[:3])
        record_rejects(ledger, chunk, _plan(), found[3:], more=True)
    with store.transaction() as ledger:
        kept = rejects_of(ledger, chunk.id)
        raw = ledger.run(attempts.sa.select(attempts.rejects.c.key, attempts.rejects.c.raw))
    assert sorted(map(repr, kept)) == sorted(map(repr, found))
    stored = {int(key[0]["integer"]): None if value is None else bytes(value) for key, value in raw}
    assert stored == {1: None, 2: b"a\0b", 3: b"a\xff", 4: wide[1], 5: b"n\0" * 30, 6: None, 7: b"y" * 30}


def test_rejects_of_an_earlier_copy_are_forgotten(transactions: Transactions, store: LedgerStore, chunk: Chunk) -> None:
    """A chunk that is copied again has the rejects of that copy alone."""
    for reason in ("old", "new"):
        with transactions() as ledger:
            reject = Reject(key=(1,), values=(1, None, None, None), column="id", reason=reason)
            record_rejects(ledger, chunk, _plan(), [reject])
    with store.transaction() as ledger:
        assert [each.reason for each in rejects_of(ledger, chunk.id)] == ["new"]
