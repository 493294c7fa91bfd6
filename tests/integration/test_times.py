"""Where the time of chunks went, from the ledger's rows to what a person and a program read."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ledgerkit import open_ledger, record
from producerkit import ledger_rows, make_source

from producer.cli import main
from shared.ledger.attempts import claim_if_pending, finish_if_current, note_commit
from shared.ledger.engine import LedgerStore
from shared.ledger.jobs import read_chunks
from shared.ledger.times import read_times
from shared.records.work import NO_TIMES, CopyPath, CopyResult, CopyTimes

RESULT = CopyResult(
    path=CopyPath.ARROW_BARE, rows=1, fingerprint="f", times=CopyTimes(read_s=1.0, convert_s=2.0, write_s=4.0)
)


@pytest.fixture(autouse=True)
def _own_handlers() -> Iterator[None]:
    """Give the suite its signal handlers back, which commands set for their own process."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def copy(store: LedgerStore, table_id: int, *, worker: str, commit_s: float | None) -> None:
    """Let a worker copy the table's first free chunk."""
    with store.transaction() as ledger:
        chunk = next(
            found for each in read_chunks(ledger, table_id) if (found := claim_if_pending(ledger, each.id, worker))
        )
        finish_if_current(ledger, chunk, RESULT)
        if commit_s is not None:
            note_commit(ledger, chunk, commit_s)


def test_sums_are_of_chunks_that_arrived_by_table_and_by_job(target_url: str) -> None:
    """A commit that nobody noted counts nothing, a chunk under way neither, another job's chunks not at all."""
    with open_ledger(target_url) as store:
        job_id, table_id = record(store, chunks=3)
        other_job, other_table = record(store, chunks=1, name="other")
        copy(store, table_id, worker="w:1", commit_s=0.5)
        copy(store, table_id, worker="w:2", commit_s=None)
        copy(store, other_table, worker="w:1", commit_s=8.0)
        with store.transaction() as ledger:
            whole, tables = read_times(ledger, job_id)
            unknown = read_times(ledger, other_job + 1)
    assert (whole.chunks, whole.workers) == (2, 2)
    assert (whole.read_s, whole.convert_s, whole.write_s, whole.commit_s) == (2.0, 4.0, 8.0, 0.5)
    assert whole.compare_s == 0.0
    assert whole.rest_s == 0.0, "claim and finish lie closer together here than the stages say"
    assert tables == {table_id: whole}
    assert unknown == (NO_TIMES, {})


def test_the_rest_is_what_lies_between_the_stages(target_url: str) -> None:
    """Nine seconds from the claim to the word `copied`, seven of them known."""
    with open_ledger(target_url) as store:
        job_id, table_id = record(store, chunks=1)
        copy(store, table_id, worker="w:1", commit_s=None)
        with store.transaction() as ledger:
            ledger.connection.exec_driver_sql(
                "UPDATE pgconvoy.chunks SET started_at = copied_at - interval '9 s', wait_s = 3"
            )
            whole, _ = read_times(ledger, job_id)
    assert whole == replace(whole, rest_s=2.0, wait_s=3.0)


def test_status_and_report_say_where_the_time_went(
    tmp_path: Path, target_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real job's times, for people and for programs, of the job and of each table."""
    source = make_source(
        tmp_path / "s.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)", {"t": [(n, "a") for n in range(500)]}
    )
    monkeypatch.setenv("PGCONVOY_TARGET_URL", target_url)
    assert main(["start", "--source", str(source), "--chunk-mb", "0.002", "--workers", "1"]) == 0
    assert "time of" not in capsys.readouterr().out
    ((chunks, compared),) = ledger_rows(target_url, "SELECT count(*), count(compare_s) FROM pgconvoy.chunks")
    assert chunks == compared > 1
    assert main(["status"]) == 0
    assert "time of 1 worker process: copying" in capsys.readouterr().out
    assert main(["report"]) == 0
    said = capsys.readouterr().out
    assert "time of 1 worker process: copying" in said
    assert said.count("\ntime of") == 2, "a line for the job and a table of the tables"
    for command in ("status", "report"):
        assert main([command, "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        times, table = document["times"], document["tables"][0]["times"]
        assert times["chunks"] == table["chunks"] == chunks
        assert times["read_s"] > 0
        assert times["write_s"] > 0
        assert times["commit_s"] > 0
        assert times["compare_s"] > 0
        assert sum(times["shares"].values()) == pytest.approx(1)
