"""What pgconvoy makes of a file, and whether it may."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unittest import mock

import psycopg2
from casekit import Silent, inline_workforce
from oraclekit import problems_of
from pydantic import SecretStr

from producer import starting
from producer.records import JobEnd
from shared.errors import ConvoyError
from shared.records.plan import JobOptions
from shared.settings import Settings

_PYTHONS_OWN: Final = re.compile(r"\b(?:[A-Z][a-z]+)+(?:Error|Exception|Invalid)\b(?!:? \w*SQLSTATE)")
"""An error's class in a sentence for people: nobody meant to say that."""
_SCHEMA: Final = "fuzzed"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of one file."""

    outcome: str
    """``refused`` or the job's state."""
    said: str = ""
    problems: tuple[str, ...] = ()
    """What must not be."""


def judge(path: Path, url: str, *, salvage: bool = False, snapshot: bool = True) -> Verdict:
    """Copy a file into a schema that is emptied before; the ledger of `url` is emptied too."""
    _empty(url)
    settings = Settings(
        source_url=SecretStr(str(path)),
        target_url=SecretStr(url),
        target_schema=_SCHEMA,
        home=path.parent / "home",
        workers=1,
        max_attempts=1,
    )
    options = JobOptions(salvage=salvage, snapshot=snapshot)
    try:
        with mock.patch.object(starting, "open_workforce", inline_workforce):
            end = starting.start(settings, options, Silent())
    except ConvoyError as error:
        problems = _of_sentence(str(error))
        if path.name not in str(error) and "cannot be copied" not in str(error):
            problems += (f"refused for something else than the file: {error}",)
        return Verdict(outcome="refused", said=str(error), problems=problems)
    assert isinstance(end, JobEnd)
    state = str(end.progress.state)
    # A job that failed for a mismatch is right, too: an index and its table may tell different rows.
    problems = [each for failure in end.failures for each in _of_sentence(failure.error)]
    problems += _of_sentence(end.progress.error or "")
    if state in {"completed", "completed_with_rejects"} and not salvage:
        problems += _wrongly_verified(path, url, end)
    said = "; ".join(failure.error for failure in end.failures) or end.progress.error or ""
    return Verdict(outcome=state, said=said, problems=tuple(problems))


def _of_sentence(sentence: str) -> tuple[str, ...]:
    return (f"an error of Python's own: {sentence}",) if _PYTHONS_OWN.search(sentence) else ()


def _wrongly_verified(path: Path, url: str, end: JobEnd) -> list[str]:
    """Hold what is said to be verified against another reading of the file: of a copy that SQLite may write to."""
    try:
        path = _recovered(path.resolve())
        missing = _tables(path) - {table.name for table in end.progress.tables}
        told = {str(grade.name) for grade in end.not_exact}
        found = [f"table {name!r} is in the file, and nobody tells of it" for name in sorted(missing - told)]
        return found + problems_of(url, path, end.progress.job)
    except sqlite3.Error as error:
        # The rows of a search are read without its module and tokenizer, which this reading needs.
        return [] if "tokenizer" in str(error) else [f"verified, and SQLite cannot read it: {error}"]


def _recovered(path: Path) -> Path:
    """A copy into which SQLite has worked what lay beside the file."""
    room = path.parent / "read again"
    room.mkdir()
    for each in path.parent.glob(f"{path.name}*"):
        if not each.name.endswith("-shm"):
            shutil.copyfile(each, room / each.name)
    with closing(sqlite3.connect(room / path.name)) as opened:
        opened.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return room / path.name


def _tables(path: Path) -> set[str]:
    """All tables that SQLite itself has of a file, but for those of its own and of virtual ones."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as opened:
        rows = opened.execute("SELECT name, type FROM pragma_table_list WHERE schema = 'main'").fetchall()
    own = {"sqlite_schema", "sqlite_sequence", "sqlite_stat1", "sqlite_stat4"}
    return {name for name, kind in rows if kind == "table" and name not in own}


def _empty(url: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {_SCHEMA} CASCADE; CREATE SCHEMA {_SCHEMA}")
        cursor.execute("SELECT to_regclass('pgconvoy.jobs') IS NOT NULL")
        if cursor.fetchone() == (True,):
            cursor.execute("TRUNCATE pgconvoy.jobs CASCADE")
        connection.commit()
