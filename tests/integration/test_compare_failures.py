"""A comparison that went wrong: tried again after a wait where a server was away, at once where that would not help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import psycopg2
import pytest
from faultkit.rig import Rig
from producerkit import ledger_rows, make_source

from shared.errors import ConvoyError, ExhaustedError, PermanentError, TransientError, UnreachableError
from shared.ledger.queueing import MAX_COMPARE_FAILURES, take_uncompared
from workers.context import WorkerContext
from workers.copy_chunk import copy_chunk
from workers.finish_table import finish_table
from workers.verify_chunk import verify_chunk

_DELAY_S = 40.0
_STANDING = "SELECT compare_failures, extract(epoch FROM not_before - clock_timestamp())::float FROM pgconvoy.chunks"


@pytest.fixture
def copied(tmp_path: Path, target_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerContext]:
    """A worker whose job has one chunk, copied and not compared."""
    source = make_source(tmp_path / "s.db", "CREATE TABLE t (id INTEGER PRIMARY KEY)", {"t": [(1,), (2,)]})
    rig = Rig(source, target_url, monkeypatch, retry_delay_s=_DELAY_S)
    rig.record()
    context = rig.context()
    copy_chunk(context, 1)
    finish_table(context, 1)
    yield context
    rig.close()


def _breaks(error: Exception) -> Any:
    @contextmanager
    def no_connection(*_: object, **__: object) -> Iterator[NoReturn]:
        raise error
        yield

    return no_connection


def _offered(context: WorkerContext) -> tuple[int, ...]:
    with context.store.transaction() as ledger:
        return take_uncompared(ledger, 1)


@pytest.mark.parametrize(
    ("error", "waits"),
    [
        (UnreachableError("the server is away"), _DELAY_S),
        (TransientError("the connection is lost"), _DELAY_S),
        (psycopg2.OperationalError("server closed the connection unexpectedly"), _DELAY_S),
        (ExhaustedError("too many clients"), 300),
        (PermanentError("no such column"), 0),
    ],
)
def test_a_comparison_that_met_an_outage_waits(
    copied: WorkerContext, error: Exception, waits: float, target_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chunk is not offered again before its wait is over, which doubles; what will not mend itself has none."""
    monkeypatch.setattr(copied, "arrow_for_reads", _breaks(error))
    for number in (1, 2):
        verify_chunk(copied, 1)
        ((failures, left),) = ledger_rows(target_url, _STANDING)
        assert failures == number
        longest = min(waits * number, 300)
        assert longest - 30 < left <= longest
        assert _offered(copied) == (() if waits else (1,))


def test_a_comparison_succeeds_after_as_many_outages_as_there_may_be(
    copied: WorkerContext, target_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One failure fewer than the limit, then the server is back: the chunk is verified."""
    with monkeypatch.context() as patch:
        patch.setattr(copied, "arrow_for_reads", _breaks(ConvoyError("for a moment")))
        for _ in range(MAX_COMPARE_FAILURES - 1):
            verify_chunk(copied, 1)
    assert _offered(copied) == (1,)
    verify_chunk(copied, 1)
    assert ledger_rows(target_url, "SELECT state, not_before FROM pgconvoy.chunks") == [("verified", None)]
