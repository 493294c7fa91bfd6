"""What a command imports: nobody waits for libraries that it does not work with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_TOLD = """
import sys
from producer.cli import main
main(sys.argv[1:])
print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""
_COLUMNS = {"adbc_driver_postgresql", "adbc_driver_sqlite", "numpy", "pyarrow"}
_WORK = {"alembic", "celery", "kombu", "redis", "sqlglot"}
_LEDGER = {"adbc_driver_manager", "psycopg2", "pydantic_settings", "sqlalchemy"}


def _imported(*arguments: str, home: Path) -> set[str]:
    """The top names of all modules that a fresh process has at a command's end."""
    ended = subprocess.run(
        [sys.executable, "-c", _TOLD, *arguments],
        env={"PGCONVOY_HOME": str(home), "PATH": ""},
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ended.stderr.rpartition("\n")[0].rpartition("\n")[2].split())


@pytest.mark.parametrize("arguments", [["--help"], ["start", "--tabels"]])
def test_help_and_wrong_usage_import_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    """Help and a mistyped option are answered before anything that reaches a database is imported."""
    imported = _imported(*arguments, home=tmp_path)
    assert "typer" in imported
    assert not imported & (_COLUMNS | _WORK | _LEDGER)


@pytest.mark.parametrize("command", ["status", "pause"])
def test_commands_that_look_import_no_arrow_and_no_celery(command: str, tmp_path: Path) -> None:
    """What reads and marks the ledger alone needs neither columns, nor a queue, nor the translation of SQL."""
    imported = _imported(command, home=tmp_path)
    assert imported >= _LEDGER
    assert not imported & (_COLUMNS | _WORK)
