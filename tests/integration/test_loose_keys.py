"""Keys of citext and of collations that fold letters: matched as PostgreSQL does, compared by their bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from comparekit import MemorySource
from icukit import IcuPostgres
from targetkit import SESSION, column, plan_of, source_rows, stored

from shared.compare.chunks import compare_chunk
from shared.compare.tables import compare_table
from shared.compare.target_rows import lookup_statement
from shared.errors import NotArrowableError
from shared.records.keys import EVERYTHING, Value
from shared.records.plan import CompareBy, LoadPath, OnConflict, TablePlan
from shared.records.work import Comparison, MismatchKind, Reject
from shared.target.careful_writer import write_carefully
from shared.target.connections import connect_arrow, connect_rows
from shared.target.convert import to_target
from shared.target.existing import read_existing
from shared.target.upsert import upsert

_NOCASE = '"public"."nocase"'
_TEXT = column("text", "k", collation=_NOCASE)
_CITEXT = replace(column("text", "k"), type=replace(_TEXT.type, sql='"public".citext'))
_KINDS = pytest.mark.parametrize("citext", [False, True], ids=["ICU", "citext"])


@pytest.fixture
def icu_url(icu_server: IcuPostgres) -> Iterator[str]:
    """The URL of a fresh database with citext and a collation that folds letters."""
    with icu_server.fresh_database() as url, closing(connect_rows(url, SESSION)) as connection:
        _run(connection, "CREATE EXTENSION citext SCHEMA public")
        _run(
            connection,
            f"CREATE COLLATION {_NOCASE} (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        )
        connection.commit()
        yield url


def _run(connection: Any, statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def _made(url: str, *, citext: bool, held: str = "") -> TablePlan:
    """A table that was there before, keyed by such texts, with some rows."""
    key = "public.citext" if citext else f"text COLLATE {_NOCASE}"
    with closing(connect_rows(url, SESSION)) as connection:
        _run(connection, f"CREATE TABLE public.t (k {key} PRIMARY KEY, v text)")
        if held:
            _run(connection, f"INSERT INTO public.t VALUES {held}")
        connection.commit()
    plan = plan_of(_CITEXT if citext else _TEXT, column("text"), load=LoadPath.UPSERT, match_key=("k",))
    return replace(plan, compare_by=CompareBy.KEYS)


def _compared(url: str, plan: TablePlan, keys: list[Value], texts: list[Value], *rejected: Reject) -> Comparison:
    source = MemorySource(("K", "V"), list(zip(keys, texts, strict=True)))
    with closing(connect_arrow(url, SESSION)) as connection:
        by_chunk = compare_chunk(source, connection, plan, EVERYTHING, rejected=rejected)
        whole = compare_table(source, connection, plan, source_rows=len(keys), rejects=len(rejected), rejected=rejected)
    return replace(by_chunk, found=by_chunk.found + whole.found, mismatches=by_chunk.mismatches + whole.mismatches)


def _rows(url: str) -> list[Any]:
    with closing(connect_rows(url, SESSION)) as connection:
        return _run(connection, 'SELECT k::text, v FROM public.t ORDER BY k::text COLLATE "C"')


@_KINDS
def test_a_key_in_other_letters_becomes_the_source_s(icu_url: str, *, citext: bool) -> None:
    """A row that is there under 'abc' takes the key 'ABC' with its values, by either path, and verification agrees."""
    plan = _made(icu_url, citext=citext, held="('abc', 'old'), ('x', 'same')")
    keys: list[Value] = ["ABC", "x"]
    with closing(connect_arrow(icu_url, SESSION)) as connection:
        upsert(connection, to_target(stored(keys, ["new", "same"]), plan.columns), plan)
        connection.commit()
    assert _rows(icu_url) == [("ABC", "new"), ("x", "same")]
    assert _compared(icu_url, plan, keys, ["new", "same"]).found == 0

    with closing(connect_rows(icu_url, SESSION)) as connection:
        result = write_carefully(connection, [source_rows(["aBc", "X"], ["newer", "same"])], plan)
        connection.commit()
    assert (result.rows, result.rejects) == (2, ())
    assert _rows(icu_url) == [("X", "same"), ("aBc", "newer")]
    found = _compared(icu_url, plan, keys, ["newer", "same"])
    assert [mismatch.kind for mismatch in found.mismatches] == [MismatchKind.MISSING, MismatchKind.MISSING]


@_KINDS
def test_keys_of_one_chunk_that_are_equal_there_are_not_overwritten(icu_url: str, *, citext: bool) -> None:
    """Of two rows that PostgreSQL takes for one, the first is written and the second a reject, however far apart."""
    plan = _made(icu_url, citext=citext)
    keys: list[Value] = ["Ä", *(f"k{number}" for number in range(1500)), "ä", "b", "B"]
    texts: list[Value] = [str(number) for number in range(len(keys))]
    with closing(connect_arrow(icu_url, SESSION)) as connection, pytest.raises(NotArrowableError):
        upsert(connection, to_target(stored(keys, texts), plan.columns), plan)
    with closing(connect_rows(icu_url, SESSION)) as connection:
        batches = [source_rows(keys, texts)[:1000], source_rows(keys, texts)[1000:]]
        result = write_carefully(connection, batches, plan)
        connection.commit()
    assert result.rows == 1502
    assert [reject.values[0] for reject in result.rejects] == ["ä", "B"]
    assert result.rejects[0].reason == 'an earlier row of the chunk has the same key "k" in the target'
    assert _compared(icu_url, plan, keys, texts, *result.rejects).found == 0


@_KINDS
def test_rows_kept_on_purpose_may_have_the_key_in_other_letters(icu_url: str, *, citext: bool) -> None:
    """With on_conflict=skip, a row that is there under an equal key is the one that was asked for."""
    plan = replace(_made(icu_url, citext=citext, held="('abc', 'old')"), on_conflict=OnConflict.SKIP)
    with closing(connect_rows(icu_url, SESSION)) as connection:
        write_carefully(connection, [source_rows(["ABC"], ["new"])], plan)
        connection.commit()
    assert _rows(icu_url) == [("abc", "old")]
    assert _compared(icu_url, plan, ["ABC"], ["new"]).found == 0


@_KINDS
def test_verification_of_a_table_of_the_job_s_own_tells_letters_apart(icu_url: str, *, citext: bool) -> None:
    """A reject is no extra row because another row has its key in other letters; a key in other letters is missing."""
    plan = replace(_made(icu_url, citext=citext, held="('abc', '1')"), creates=True, load=LoadPath.BARE)
    reject = Reject(key=(2,), values=("ABC", "2"), column=None, reason="")
    assert _compared(icu_url, plan, ["abc", "ABC"], ["1", "2"], reject).found == 0
    found = _compared(icu_url, plan, ["Abc"], ["1"])
    assert [mismatch.kind for mismatch in found.mismatches] == [MismatchKind.MISSING]


@_KINDS
def test_such_keys_are_looked_up_by_their_index(icu_url: str, *, citext: bool) -> None:
    """The condition on bytes stands beside the one that the index knows."""
    plan = _made(icu_url, citext=citext)
    statement = lookup_statement(plan).replace("$1", "'{abc}'")
    with closing(connect_rows(icu_url, SESSION)) as connection:
        _run(connection, "SET enable_seqscan = off")
        _run(connection, "SET enable_hashjoin = off")
        explained = "\n".join(line for (line,) in _run(connection, f"EXPLAIN {statement}"))
    assert "Index Cond" in explained


def test_collations_that_fold_are_found_in_tables_that_are_there(icu_url: str) -> None:
    """Introspection names the collation of a column where it takes different texts for equal, and no other."""
    with closing(connect_rows(icu_url, SESSION)) as connection:
        _run(
            connection, f'CREATE TABLE public.t (a text COLLATE {_NOCASE}, b text COLLATE "C", c text, d public.citext)'
        )
        connection.commit()
    engine = sa.create_engine(icu_url.replace("postgresql://", "postgresql+psycopg2://"))
    try:
        with engine.connect() as connection:
            (table,) = read_existing(connection, "public", ["t"])
    finally:
        engine.dispose()
    assert [each.collation for each in table.columns] == ["public.nocase", None, None, None]
