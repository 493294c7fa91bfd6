"""Any table of SQLite is carried: each row is in the target, every value equal, or a reject, kept whole.

PGCONVOY_EXAMPLES=1000 looks at so many random examples instead of the suite's fixed ones; --hypothesis-seed=N chooses
which, so that several runs look at different ones.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from casekit import inline_workforce
from fleetkit import TestPostgres
from hypothesis import HealthCheck, Phase, assume, given, note, settings
from hypothesis import strategies as st
from oraclekit import problems_of
from pydantic import SecretStr
from tablekit import any_tables, asked_for, make

from producer import starting
from producer.records import JobEnd, JobProgress
from producer.starting import start
from shared.errors import OperatorError
from shared.settings import Settings
from shared.source import sqlite_profile

_EXAMPLES = os.environ.get("PGCONVOY_EXAMPLES")
_SCHEMA = "made up"


class _Silent:
    def say(self, text: str) -> None:
        """Hear."""

    def warn(self, text: str) -> None:
        """Hear."""

    def show(self, progress: JobProgress) -> None:
        """See."""


@pytest.fixture(scope="module")
def shared_target(postgres_server: TestPostgres) -> Iterator[str]:
    """One database for all examples."""
    with postgres_server.fresh_database() as url:
        yield url


def _emptied(url: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(f'DROP SCHEMA IF EXISTS "{_SCHEMA}" CASCADE; CREATE SCHEMA "{_SCHEMA}"')
        cursor.execute("SELECT to_regclass('pgconvoy.jobs') IS NOT NULL")
        if cursor.fetchone() == (True,):
            cursor.execute("TRUNCATE pgconvoy.jobs CASCADE")
        connection.commit()


@settings(
    max_examples=int(_EXAMPLES or 30),
    derandomize=_EXAMPLES is None,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate] if _EXAMPLES else [Phase.generate, Phase.shrink],
)
@given(data=st.data())
def test_any_table_is_carried(data: Any, shared_target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Source rows are target rows and rejects, every value is what it means there, and verification agrees."""
    tables = data.draw(any_tables)
    asked = data.draw(asked_for(tables))
    source = tmp_path / "source.db"
    try:
        make(source, tables, asked.encoding)
    except sqlite3.Error as error:
        note(str(error))
        assume(False)
    note("\n".join(table.script for table in tables))
    _emptied(shared_target)
    with monkeypatch.context() as patched:
        patched.setattr(starting, "open_workforce", inline_workforce)
        if asked.tiny_sample:
            patched.setattr(sqlite_profile, "_SAMPLE_ROWS", 1)
            patched.setattr(sqlite_profile, "_SAMPLE_PLACES", 2)
        told = Settings(
            source_url=SecretStr(str(source)),
            target_url=SecretStr(shared_target),
            target_schema=_SCHEMA,
            home=tmp_path / "home",
            workers=1,
        )
        try:
            end = start(told, asked.options, _Silent())
        except OperatorError as error:
            # The one thing that cannot be asked for with these tables: json has no equality, and keys need it.
            assert "no equality" in str(error)  # noqa: PT017 - any other error fails
            assume(False)
    assert isinstance(end, JobEnd)
    assert (end.mismatches, end.failures, end.progress.mismatches, end.progress.failed) == ((), (), 0, 0)
    assert end.progress.state == ("completed_with_rejects" if end.progress.rejects else "completed")
    job, sampled = end.progress.job, asked.tiny_sample
    problems = problems_of(shared_target, source, job, asked.handlings, sampled=sampled)
    assert not problems, "\n".join(problems)
