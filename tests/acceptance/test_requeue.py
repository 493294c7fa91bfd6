"""Chunks that fail: the job says so, the rest completes, and requeue mends it."""

from __future__ import annotations

from pathlib import Path

from fleetkit import Points, RunningWorker
from producerkit import Producer, chunk_ids, ledger_rows, make_source

from shared.points import Point

SCRIPT = """
CREATE TABLE good (id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO good VALUES (1, 'one'), (2, 'two');
CREATE TABLE bad (id INTEGER PRIMARY KEY, good_id INTEGER REFERENCES good (id));
INSERT INTO bad VALUES (1, 1), (2, 2), (3, NULL);
"""


def test_a_failed_chunk_fails_the_job_until_it_is_requeued(
    tmp_path: Path,
    producer: Producer,
    points: Points,
    worker_factory: object,
    target_url: str,
    environment: dict[str, str],
) -> None:
    """The job ends failed with exit 1, the other table completes, and after requeue all is completed."""
    source = make_source(tmp_path / "s.db", SCRIPT)
    producer("start", "--source", source, "--detach")
    (chunk_id,) = chunk_ids(target_url, "bad")
    points.fail_at(Point.CLAIMED, chunk_id)
    worker: RunningWorker = worker_factory(environment=environment)  # type: ignore[operator]
    outcome = producer("resume", code=1)
    assert "bad" in outcome.out + outcome.err
    assert "producer requeue" in outcome.out + outcome.err
    states = dict(ledger_rows(target_url, "SELECT source_name, state FROM pgconvoy.tables"))
    assert states == {"good": "completed", "bad": "failed"}, worker.log_text()
    assert ledger_rows(target_url, "SELECT state FROM pgconvoy.jobs") == [("failed",)]
    points.clear_all()
    producer("requeue", "1")
    producer("resume", "1")
    assert ledger_rows(target_url, "SELECT state FROM pgconvoy.jobs") == [("completed",)]
    assert ledger_rows(target_url, "SELECT count(*) FROM bad") == [(3,)]
    validated = "SELECT convalidated FROM pg_constraint WHERE contype = 'f' AND conrelid = 'bad'::regclass"
    assert ledger_rows(target_url, validated) == [(True,)]
