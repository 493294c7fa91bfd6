"""Any mix of rows that fit and rows that do not: by columns with the few others row by row, or wholly row by row.

The oracle is the careful writer over psycopg2, with all rows of the chunk.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fleetkit import TestPostgres
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from targetkit import SESSION, column, plan_of

from shared.errors import NotArrowableError
from shared.records import stored
from shared.records.keys import KeyRange, RawText, SourceRow, Value
from shared.records.plan import TablePlan, TargetColumn, TypeKind
from shared.records.rules import NulPolicy, SourceForm, Treatment
from shared.records.source import StorageClass
from shared.records.stored import batch_of
from shared.records.work import CopyPath, CopyResult, Reject
from shared.source.kinds import open_source
from shared.target import careful_writer, split_writer
from shared.target.careful_writer import write_carefully
from shared.target.connections import begin, connect_arrow, connect_rows, rollback
from shared.target.convert import to_wire
from shared.target.value_rules import UnfitError
from workers.copy_columns import copy_columns
from workers.copy_rows import copy_rows
from workers.timing import ChunkTimer

_DAYS = st.dates().map(str)
_BAD_TEXT = st.sampled_from([RawText(b"\xff"), RawText(b"caf\xe9"), "a\0b", "\0"])
_WIDE = st.sampled_from(["é" * 40, b"\x07" * 90])
_ANY = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(max_size=3), st.binary(max_size=3), _BAD_TEXT
)


@dataclass(frozen=True)
class _Kind:
    """A column of the target: its type, and values that mostly fit."""

    column: TargetColumn
    usual: st.SearchStrategy[Any]
    odd: st.SearchStrategy[Any]
    """Values that do not fit, or hardly; beside them any value at all is tried."""
    constraint: str = ""


_KINDS = [
    _Kind(column("smallint", "c0"), st.integers(-5, 5), st.just(2**15)),
    _Kind(column("bigint", "c1"), st.integers(-(2**63), 2**63 - 1), st.just("12")),
    _Kind(column("numeric(6,2)", "c2"), st.integers(0, 999) | st.sampled_from([1.25, 0.5]), st.just(float("inf"))),
    _Kind(column("numeric", "c3"), st.floats(-1e3, 1e3).map(lambda x: round(x, 3)), st.integers(2**53, 2**55)),
    _Kind(column("double precision", "c4"), st.floats(allow_nan=False) | st.integers(-9, 9), st.just(2**53 + 1)),
    _Kind(column("text", "c5"), st.text(max_size=4).map(lambda t: t.replace("\0", "")), _BAD_TEXT | _WIDE),
    _Kind(column("character varying(3)", "c6"), st.text("abé", max_size=3), st.sampled_from(["abcd", "\0a", "a\0"])),
    _Kind(column("bytea", "c7"), st.binary(max_size=4), _BAD_TEXT | _WIDE),
    _Kind(column("boolean", "c8"), st.integers(0, 1), st.sampled_from([2, "maybe", "yes"])),
    _Kind(column("timestamp without time zone", "c9"), _DAYS, st.sampled_from(["2023-02-30", "0000-00-00", "today"])),
    _Kind(column("date", "c10"), _DAYS, st.sampled_from(["2023-02-30", "31.12.1999"])),
    _Kind(column("uuid", "c11"), st.uuids().map(str), st.just("not a uuid")),
    _Kind(column("jsonb", "c12"), st.sampled_from(["{}", "[1]"]), st.sampled_from(["{", '{"a":1,"a":2}', '"\\u0000"'])),
    _Kind(column("json", "c13"), st.sampled_from(["{}", "[1]"]), st.sampled_from(["{", "nul"])),
    _Kind(column("integer", "c14"), st.integers(0, 3), st.just(7), "CHECK (c14 <> 7)"),
    _Kind(
        column(
            "timestamp with time zone",
            "c15",
            treatment=Treatment(form=SourceForm.UNIX_S, null_if_empty=True),
        ),
        st.integers(0, 10**9),
        st.sampled_from(["", "x", 1e300]),
    ),
    _Kind(column("text", "c16", treatment=Treatment(nul=NulPolicy.STRIP)), st.text("ab", max_size=2), st.just("a\0")),
]
_NOT_NULL = "c14"


@dataclass(frozen=True)
class Target:
    """A connection of each kind to one database with the table ``public.t``."""

    arrow: Any
    rows: Any


@pytest.fixture(scope="module")
def target(postgres_server: TestPostgres) -> Iterator[Target]:
    """Every example rolls back."""
    with postgres_server.fresh_database() as url:
        arrow, rows = connect_arrow(url, SESSION), connect_rows(url, SESSION)
        columns = ", ".join(f"{kind.column.name} {kind.column.type.sql} {kind.constraint}" for kind in _KINDS)
        with rows.cursor() as cursor:
            cursor.execute(f"CREATE TABLE public.t (id bigint, {columns})")
            cursor.execute(f"ALTER TABLE public.t ALTER {_NOT_NULL} SET NOT NULL")
        rows.commit()
        yield Target(arrow=arrow, rows=rows)
        arrow.close()
        rows.close()


@st.composite
def _tables(draw: st.DrawFn) -> tuple[list[_Kind], list[tuple[Value, ...]]]:
    """Some columns, and rows of which now and then one holds something odd."""
    kinds = draw(st.lists(st.sampled_from(_KINDS), min_size=1, max_size=5, unique_by=lambda kind: kind.column.name))
    kinds += [kind for kind in _KINDS if kind.column.name == _NOT_NULL and kind not in kinds]
    rows: list[tuple[Value, ...]] = []
    for _ in range(draw(st.integers(0, 25))):
        row = [draw(kind.usual if kind.column.name == _NOT_NULL else st.none() | kind.usual) for kind in kinds]
        if not draw(st.integers(0, 3)):
            place = draw(st.integers(0, len(kinds) - 1))
            row[place] = draw(st.one_of(kinds[place].odd, kinds[place].odd, st.none(), _ANY))
        rows.append(tuple(row))
    return kinds, rows


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(table=_tables(), known=st.tuples(st.booleans(), st.booleans()))
def test_the_split_path_gives_the_rows_and_rejects_of_the_careful_one(
    target: Target,
    monkeypatch: pytest.MonkeyPatch,
    table: tuple[list[_Kind], list[tuple[Value, ...]]],
    known: tuple[bool, bool],
) -> None:
    """Whatever is mixed, fitting rows are in the table and all others among the rejects, for the same reasons."""
    _small(monkeypatch)
    kinds, rows = table
    sampled, creates = known
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "s.sqlite"
        _make(source, kinds, rows)
        plan = _plan(kinds, rows, sampled=sampled, creates=creates)
        expected, expected_rejects = _oracle(target, source, plan)
        _, held, rejects = _copied(target, source, plan, _by_rows)
        assert (held, rejects) == (expected, expected_rejects)
        try:
            result, held, rejects = _copied(target, source, plan, copy_columns)
        except NotArrowableError:
            event("left to the careful path as a whole")
            return
    assert (held, rejects) == (expected, expected_rejects)
    assert (result.rows, result.rejected) == (len(held), len(rejects))
    assert result.path is (CopyPath.ARROW_SPLIT if rejects else result.path)
    event(f"path {result.path}")


@settings(max_examples=300, deadline=None)
@given(data=st.data(), kind=st.sampled_from([kind for kind in _KINDS if kind.column.treatment.is_plain]))
def test_conversions_name_only_values_that_do_not_fit(data: st.DataObject, kind: _Kind) -> None:
    """What a conversion names goes row by row: it names no value that would fit alone, and never nothing."""
    values = data.draw(st.lists(kind.usual | kind.odd | st.none(), min_size=1, max_size=12))
    for part in batch_of([SourceRow((1,), (value,)) for value in values]).columns[0]:
        bad = _named(part, kind.column)
        if bad is None:
            continue
        assert bad.any()
        named = part.drop_null().filter(pa.array(bad))
        for place in range(len(named)):
            with pytest.raises(UnfitError):
                to_wire(named.slice(place, 1), kind.column)


def _named(part: pa.Array, column: TargetColumn) -> Any:
    """Which values a conversion says do not fit; None where it says nothing."""
    try:
        to_wire(part, column)
    except UnfitError as unfit:
        return unfit.bad
    return None


def test_rows_that_want_one_unique_value_are_left_to_the_careful_path_as_a_whole(
    target: Target, tmp_path: Path
) -> None:
    """Which one of them comes in depends on their order, so no row of the chunk may go before the others."""
    kinds = [kind for kind in _KINDS if kind.column.name in {"c1", _NOT_NULL}]
    source = tmp_path / "s.sqlite"
    for odd in (1, " 1 "):  # the second one is found when the few others are written
        source.unlink(missing_ok=True)
        _make(source, kinds, [(odd, 0), (2, 0), (1, 0)])
        plan = _plan(kinds, [(1, 0), (" 1 ", 0)], sampled=False, creates=False)
        with _unique_key(target), pytest.raises(NotArrowableError):
            _copied(target, source, plan, copy_columns)
        with _unique_key(target):
            _, held, rejects = _copied(target, source, plan, _by_rows)
        assert [row[0] for row in held] == ["1", "2"]
        assert [reject.key for reject in rejects] == [(3,)]


@contextmanager
def _unique_key(target: Target) -> Iterator[None]:
    with target.rows.cursor() as cursor:
        cursor.execute("CREATE UNIQUE INDEX one ON public.t (c1)")
        target.rows.commit()
        try:
            yield
        finally:
            cursor.execute("DROP INDEX public.one")
            target.rows.commit()


def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few rows be several batches, and short values very wide ones."""
    for module, name, value in (
        (stored, "MOST_ROWS", 8),
        (stored, "_ROWS_AT_ONCE", 4),
        (stored, "_NARROW", 30),
        (stored, "_MOST_BYTES", 30),
        (split_writer, "_ROWS_AFTER_REFUSAL", 4),
        (careful_writer, "_WIDE", 20),
    ):
        monkeypatch.setattr(module, name, value)


def _make(path: Path, kinds: Sequence[_Kind], rows: Sequence[tuple[Value, ...]]) -> None:
    """Make a table whose columns have no affinity, so that each value keeps its class."""
    names = ", ".join(kind.column.source for kind in kinds)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE T (ID INTEGER PRIMARY KEY, {names})")
        for number, row in enumerate(rows, start=1):
            places = ", ".join("CAST(? AS TEXT)" if isinstance(value, RawText) else "?" for value in row)
            values = [value.raw if isinstance(value, RawText) else value for value in row]
            connection.execute(f"INSERT INTO T VALUES ({number}, {places})", values)


def _plan(kinds: Sequence[_Kind], rows: Sequence[tuple[Value, ...]], *, sampled: bool, creates: bool) -> TablePlan:
    """Plan as after a full profile, or as after one that saw the first half of the rows alone."""
    seen = rows[: len(rows) // 2] if sampled else rows
    columns = [replace(column("bigint", "id"), classes=(StorageClass.INTEGER,), longest=0)]
    for place, kind in enumerate(kinds):
        values = [row[place] for row in seen if row[place] is not None]
        classes = tuple(each for each in StorageClass if each in {_class(value) for value in values})
        longest = max((_width(value) for value in values), default=0)
        columns.append(replace(kind.column, classes=classes, longest=longest))
    plan = plan_of(*columns, name="t")
    return replace(plan, sampled=sampled, creates=creates, row_bytes=10.0)


def _class(value: Value) -> StorageClass:
    known = {int: StorageClass.INTEGER, float: StorageClass.REAL, bytes: StorageClass.BLOB}
    return known.get(type(value), StorageClass.TEXT)


def _width(value: Value) -> int:
    if isinstance(value, RawText):
        return len(value.raw)
    return len(value.encode()) if isinstance(value, str) else len(value) if isinstance(value, bytes) else 0


def _oracle(target: Target, source: Path, plan: TablePlan) -> tuple[list[tuple[Any, ...]], list[Reject]]:
    with open_source(str(source), frozen=True) as reader:
        result = write_carefully(target.rows, reader.read_rows(plan.read, KeyRange(), batch_rows=1000), plan)
    with target.rows.cursor() as cursor:
        cursor.execute(_reading(plan))
        held = [tuple(row) for row in cursor.fetchall()]
    target.rows.rollback()
    return held, _sorted(result.rejects)


def _copied(
    target: Target, source: Path, plan: TablePlan, copy: Callable[..., CopyResult]
) -> tuple[CopyResult, list[tuple[Any, ...]], list[Reject]]:
    rejects: list[Reject] = []
    begin(target.arrow)
    try:
        with open_source(str(source), frozen=True) as reader:
            result = copy(reader, target.arrow, plan, KeyRange(), ChunkTimer(), _keeper(rejects))
        with target.arrow.cursor() as cursor:
            cursor.execute(_reading(plan))
            held = [tuple(row) for row in cursor.fetchall()]
    finally:
        rollback(target.arrow)
    return result, held, _sorted(rejects)


_by_rows = partial(copy_rows, reject_orphans=False)


def _keeper(rejects: list[Reject]) -> Any:
    def keep(found: Sequence[Reject], *, more: bool) -> None:
        assert more == bool(rejects)
        rejects.extend(found)

    return keep


def _reading(plan: TablePlan) -> str:
    """Values as texts, which tell all that the types hold."""
    forms = {TypeKind.DOUBLE: "encode(float8send({}), 'hex')", TypeKind.NUMERIC: "trim_scale({})::text"}
    shown = ", ".join(forms.get(each.type.kind, "{}::text").format(each.name) for each in plan.columns)
    return f"SELECT {shown} FROM public.t ORDER BY id"


def _sorted(rejects: Sequence[Reject]) -> list[Reject]:
    return sorted(rejects, key=lambda reject: reject.key)
