"""Rows that violate a foreign key of a table that was there before."""

from __future__ import annotations

from pathlib import Path

import pytest
from casekit import cases_in, inline_workforce, run_case

from producer import starting

_SOURCE = """
    CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER);
    INSERT INTO c VALUES (1, 1), (2, 9), (3, NULL);
"""
_TARGET = """
    CREATE TABLE p (id bigint PRIMARY KEY);
    INSERT INTO p VALUES (1);
    CREATE TABLE c (id bigint PRIMARY KEY, p bigint REFERENCES p {deferred});
"""


@pytest.mark.parametrize("deferred", ["", "DEFERRABLE INITIALLY DEFERRED"])
def test_an_orphan_is_a_reject_once_its_parent_cannot_come(
    deferred: str, target_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The chunk waits for the parent through all its attempts but the last, which keeps the row as a reject."""
    monkeypatch.setenv("PGCONVOY_MAX_ATTEMPTS", "3")
    monkeypatch.setenv("PGCONVOY_RETRY_DELAY_S", "0.05")
    monkeypatch.setattr(starting, "open_workforce", inline_workforce)
    folder = tmp_path / "cases" / "orphans"
    folder.mkdir(parents=True)
    (folder / "case.toml").write_text('about = "A row without parent."\n')
    (folder / "source.sql").write_text(_SOURCE)
    (folder / "target.sql").write_text(_TARGET.format(deferred=deferred))
    (case,) = cases_in(folder.parent)
    result = run_case(case, folder=tmp_path, target_url=target_url, schema="s")
    assert result.broken == ()
    assert result.found["tables"]["c"] == {"state": "completed", "rows": 2, "rejects": 1}
    ((table, key, _, reason),) = result.found["rejects"]
    assert (table, key) == ("c", '[{"integer": "2"}]')
    assert "foreign key" in reason
    warnings = [record.getMessage() for record in caplog.records]
    assert sum("foreign key" in warning for warning in warnings) == 2
