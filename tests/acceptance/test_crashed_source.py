"""A source that its application left in the middle of a transaction."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from casekit import inline_workforce
from casekit.running import Silent
from producerkit import ledger_rows
from pydantic import SecretStr

from producer import starting
from producer.planning import plan_only
from producer.preflight import check_source
from producer.records import JobEnd
from shared.records.plan import JobOptions
from shared.settings import Settings

_ROWS = 2000


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """Return a database with a hot journal: what is in the file is half of a change that must be rolled back."""
    path = tmp_path / "alive" / "app.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
        writer.executemany("INSERT INTO t VALUES (?, ?)", ((row, "before" * 20) for row in range(_ROWS)))
        writer.execute("PRAGMA cache_size = 5")
        writer.execute("BEGIN")
        writer.execute("UPDATE t SET v = 'half done'")
        shutil.copytree(path.parent, tmp_path / "crashed")
        writer.execute("ROLLBACK")
    return tmp_path / "crashed" / "app.db"


def test_a_hot_journal_is_rolled_back_in_the_copy(
    crashed: Path, tmp_path: Path, target_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check, plan and start take it; what arrives is what was there before, and the source stays as it was."""
    settings = Settings(source_url=SecretStr(str(crashed)), target_url=SecretStr(target_url), home=tmp_path, workers=1)
    monkeypatch.setattr(starting, "open_workforce", inline_workforce)
    before = {path.name: path.read_bytes() for path in crashed.parent.iterdir()}
    assert "snapshot" in check_source(settings)
    assert [table.rows for table in plan_only(settings, JobOptions(), Silent()).tables] == [_ROWS]
    end = starting.start(settings, JobOptions(), Silent())
    assert isinstance(end, JobEnd)
    assert end.progress.state == "completed"
    assert ledger_rows(target_url, "SELECT count(*), count(DISTINCT v), min(v) FROM t") == [(_ROWS, 1, "before" * 20)]
    assert {path.name: path.read_bytes() for path in crashed.parent.iterdir()} == before
