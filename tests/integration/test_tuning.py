"""What `producer check` says of a real server's settings."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from producerkit import make_source

from producer.cli import main
from shared.target.server_settings import read_server


@pytest.fixture(autouse=True)
def _own_handlers() -> Iterator[None]:
    """Give the suite its signal handlers back, which commands set for their own process."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_check_names_lines_and_never_fails_for_them(
    tmp_path: Path, target_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The suite's server runs without fsync: that is told, with the line to change, and the check is content."""
    source = make_source(tmp_path / "s.db", "CREATE TABLE t (id INTEGER PRIMARY KEY)", {"t": [(1,)]})
    monkeypatch.setenv("PGCONVOY_TARGET_URL", target_url)
    assert main(["check", "--source", str(source), "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    found = {each["change"]: each for each in findings if each["what"] == "setting"}
    assert found["fsync = on"]["outcome"] == "note"
    assert "full_page_writes = on" in found
    assert {each["change"] for each in findings if each["what"] != "setting"} == {None}
    (workers,) = (each["text"] for each in findings if each["what"] == "workers")
    assert workers.endswith("PostgreSQL on the same machine")
    assert main(["check", "--source", str(source)]) == 0
    said = capsys.readouterr().out
    assert "in postgresql.conf: fsync = on (reload)" in said
    assert workers in said


def test_settings_are_read_in_bytes_and_seconds(target_url: str) -> None:
    """Whatever unit the server tells them in."""
    connection = psycopg2.connect(target_url)
    server = read_server(connection, load=1, cores=None, memory=None)
    connection.close()
    sizes = {name: found.size for name, found in server.settings.items() if found.unit}
    assert sizes["max_wal_size"] == 2 * 1024**3
    assert sizes["shared_buffers"] == 128 * 1024**2
    assert sizes["checkpoint_timeout"] == 1800
    assert server.settings["shared_buffers"].restart
    assert not server.settings["max_wal_size"].restart
    assert server.followers == 0
