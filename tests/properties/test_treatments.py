"""Copier and verifier agree, on a real PostgreSQL, whatever rule, storage class and type meet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from comparekit import MemorySource, kind_of, make_plan
from fleetkit import TestPostgres
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from targetkit import SESSION, stored

from shared.compare.chunks import compare_chunk
from shared.compare.forms import Formless
from shared.compare.tables import compare_table
from shared.compare.treated import canonical_treated
from shared.errors import NotArrowableError
from shared.records.keys import EVERYTHING, RawText, SourceRow, Value
from shared.records.plan import CompareBy, TablePlan, TargetColumn, TargetType
from shared.records.rules import BadTextPolicy, NulPolicy, SourceForm, Treatment
from shared.records.work import Reject
from shared.target.careful_writer import write_carefully
from shared.target.connections import connect_arrow, connect_rows
from shared.target.convert import to_target
from shared.target.copy_writer import write_bare

_TYPES = (
    "timestamp without time zone",
    "timestamp with time zone",
    "date",
    "text",
    "character varying(8)",
    "bytea",
    "bigint",
    "double precision",
    "numeric",
    "boolean",
    "uuid",
    "time without time zone",
    "jsonb",
)
_MOMENT_TYPES = _TYPES[:3]
_INTEGERS = (
    st.integers(-(2**63), 2**63 - 1)
    | st.integers(-(10**10), 10**10)
    | st.integers(-(10**5), 10**5).map(lambda days: days * 86_400_000)
    | st.integers(0, 5_373_490)
)
_REALS = (
    st.floats(allow_nan=False)
    | st.floats(-1e10, 1e10)
    | st.floats(1.6e9, 1.8e9)
    | st.floats(2_440_000, 2_470_000)
    | st.integers(-(10**7), 10**7).map(lambda halves: halves / 2)
    | st.integers(-(2**40), 2**40).map(lambda bits: bits / 2**16)
    | st.floats(-1e-5, 1e-5)
)
_DAYS = st.dates().map(str)
_CLOCKS = st.from_regex(r"[T ][0-2][0-9](:?[0-5][0-9](:?[0-5][0-9]([.,][0-9]{1,7}0{0,3})?)?)?", fullmatch=True)
_ZONES = st.sampled_from(["", "", "Z", "z", " ", " Z"]) | st.from_regex(
    r" ?[+-][01][0-9](:?[0-6][0-9])?", fullmatch=True
)
_ISO = st.builds(
    lambda day, clock, zone, basic: (day.replace("-", "") if basic else day) + clock + zone,
    _DAYS,
    st.just("") | _CLOCKS,
    _ZONES,
    st.booleans(),
)
_TEXTS = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(["", "\0", "a\0b", " ", "1", "t", "true", "{}", '"\\u0000"', "\0null", "00:00"])
    | _ISO
    | (_INTEGERS | _REALS).map(str)
    | st.uuids().map(str)
)
_RAW = st.binary(max_size=8).map(lambda raw: RawText(b"\xff" + raw)) | st.just(RawText(b"a\xed\xa0\xbd\0"))
_CLASSES = (_INTEGERS, _REALS, _TEXTS, _RAW, st.binary(max_size=8))
_USUAL: dict[SourceForm | None, st.SearchStrategy[Value]] = {
    SourceForm.ISO: _ISO,
    SourceForm.JULIAN: st.floats(0, 5_373_485) | st.integers(0, 10_746_970).map(lambda halves: halves / 2),
}
_TREATMENTS = st.builds(
    Treatment,
    form=st.none() | st.sampled_from(SourceForm),
    null_if_empty=st.booleans(),
    nul=st.sampled_from(NulPolicy),
    bad_utf8=st.sampled_from([policy for policy in BadTextPolicy if policy is not BadTextPolicy.BYTEA]),
)


@dataclass(frozen=True)
class _Column:
    sql: str
    treatment: Treatment
    values: list[Value]


@st.composite
def _columns(draw: st.DrawFn, *, mixed: bool) -> _Column:
    treatment = draw(_TREATMENTS)
    sql = draw(st.sampled_from(_MOMENT_TYPES if treatment.form and draw(st.integers(0, 9)) else _TYPES))
    if sql == "bytea" and draw(st.booleans()):
        treatment = Treatment(null_if_empty=treatment.null_if_empty, bad_utf8=BadTextPolicy.BYTEA)
    usual = _USUAL.get(treatment.form, _TEXTS)
    one_class = st.none() | draw(st.sampled_from([usual, *(each for each in _CLASSES if mixed or each is not _RAW)]))
    any_class = st.none() | usual | st.one_of(*_CLASSES)
    return _Column(sql, treatment, draw(st.lists(any_class if mixed else one_class, min_size=1, max_size=12)))


@dataclass(frozen=True)
class _Target:
    arrow: Any
    rows: Any


@pytest.fixture(scope="module")
def target(postgres_server: TestPostgres) -> Iterator[_Target]:
    """A database with a table for each type, ``public.t0`` and so on, emptied after every example."""
    with postgres_server.fresh_database() as url:
        arrow, rows = connect_arrow(url, SESSION), connect_rows(url, SESSION)
        with rows.cursor() as cursor:
            for place, sql in enumerate(_TYPES):
                cursor.execute(f"CREATE TABLE public.t{place} (id bigint, v {sql})")
        rows.commit()
        yield _Target(arrow, rows)
        arrow.close()
        rows.close()


def _plan(drawn: _Column, compare_by: CompareBy) -> TablePlan:
    made = make_plan({"id": "bigint", "v": drawn.sql}, compare_by=compare_by, creates=True)
    treated = TargetColumn(
        source="v", name="v", type=TargetType(kind=kind_of(drawn.sql), sql=drawn.sql), treatment=drawn.treatment
    )
    name = f"t{_TYPES.index(drawn.sql)}"
    return TablePlan(
        read=made.read,
        schema=made.schema,
        name=name,
        columns=(made.columns[0], treated),
        match_key=made.match_key,
        compare_by=compare_by,
    )


def _source(drawn: _Column) -> MemorySource:
    return MemorySource(("id", "v"), list(enumerate(drawn.values, start=1)))


def _empty(target: _Target, drawn: _Column) -> None:
    target.arrow.rollback()
    with target.rows.cursor() as cursor:
        cursor.execute(f"DELETE FROM public.t{_TYPES.index(drawn.sql)}")
    target.rows.commit()


def _assert_verified(target: _Target, drawn: _Column, rejects: Sequence[Reject]) -> None:
    """Verification by chunk, and of the table as a multiset, finds nothing."""
    source = _source(drawn)
    plan = _plan(drawn, CompareBy.RANGE)
    comparison = compare_chunk(source, target.arrow, plan, EVERYTHING, rejected=rejects)
    assert comparison.mismatches == ()
    whole = compare_table(
        source,
        target.arrow,
        _plan(drawn, CompareBy.MULTISET),
        source_rows=len(drawn.values),
        rejects=len(rejects),
        rejected=rejects,
    )
    assert whole.mismatches == ()
    target.arrow.rollback()


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_columns(mixed=True))
def test_what_the_careful_path_copies_passes_verification(target: _Target, drawn: _Column) -> None:
    """Each value is written and found equal, or kept untreated as a reject, and moments by both sides' judgement."""
    plan = _plan(drawn, CompareBy.RANGE)
    rows = [SourceRow((number,), (number, value)) for number, value in enumerate(drawn.values, start=1)]
    try:
        result = write_carefully(target.rows, [rows], plan)
        target.rows.commit()
        assert result.rows + len(result.rejects) == len(rows)
        for reject in result.rejects:
            assert reject.values == rows[reject.values[0] - 1].values  # type: ignore[operator]
        _assert_verified(target, drawn, result.rejects)
        if drawn.treatment.form is not None:
            forms = canonical_treated(drawn.values, plan.columns[1], lambda texts, _: texts)
            refused = [number for number, form in enumerate(forms, start=1) if isinstance(form, Formless)]
            assert [reject.key[0] for reject in result.rejects] == refused
    finally:
        _empty(target, drawn)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_columns(mixed=False))
def test_what_the_fast_path_copies_passes_verification(target: _Target, drawn: _Column) -> None:
    """A column of one storage class travels as Arrow to what verification expects, or not at all."""
    plan = _plan(drawn, CompareBy.RANGE)
    try:
        arrow = to_target(stored(list(range(1, len(drawn.values) + 1)), drawn.values), plan.columns)
        write_bare(target.arrow, arrow, plan)
        target.arrow.commit()
    except NotArrowableError:
        _empty(target, drawn)
        return
    try:
        _assert_verified(target, drawn, ())
    finally:
        _empty(target, drawn)


@pytest.mark.parametrize("form", [SourceForm.UNIX_S, SourceForm.UNIX_MS, SourceForm.UNIX_US])
@pytest.mark.parametrize("sql", _MOMENT_TYPES)
def test_integers_that_count_time_need_no_careful_path(target: _Target, form: SourceForm, sql: str) -> None:
    """The form that databases have most of travels as Arrow, NULLs and years before 1 and after 9999 too."""
    day = 86_400 * {SourceForm.UNIX_S: 1, SourceForm.UNIX_MS: 10**3, SourceForm.UNIX_US: 10**6}[form]
    values: list[Value] = [0, None, -day, 19_000 * day, -2_440_588 * day + day, 106_000_000 * day]
    drawn = _Column(sql, Treatment(form=form), values)
    plan = _plan(drawn, CompareBy.RANGE)
    write_bare(target.arrow, to_target(stored(list(range(1, 7)), values), plan.columns), plan)
    target.arrow.commit()
    try:
        _assert_verified(target, drawn, ())
    finally:
        _empty(target, drawn)
