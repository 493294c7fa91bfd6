"""Whatever a target holds and a source brings, by either path and as often as one likes: undone, it is as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, Final, NamedTuple

import pytest
from fleetkit import TestPostgres
from hypothesis import given, settings
from hypothesis import strategies as st
from ledgerkit import record
from targetkit import SESSION, column, plan_of, source_rows, stored

from shared.errors import NotArrowableError
from shared.ledger.engine import LedgerStore
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.upgrade import upgrade_ledger
from shared.records.keys import EVERYTHING, Value
from shared.records.plan import CompareBy, LoadPath, OnConflict, TablePlan
from shared.target.careful_writer import write_carefully
from shared.target.compared_upsert import upsert_compared
from shared.target.connections import connect_arrow, connect_rows
from shared.target.convert import to_target
from shared.target.referring import groups, refer_to_what_goes
from shared.target.restoring import place_of, restore, switch, triggers_of, unlike, weigh
from shared.target.statements import run
from shared.target.undo import arm, disarm, watch

VALUES: Final[dict[str, Sequence[Value]]] = {
    "text": ["", "a", 'x",)(\\', "NULL", "ä\n"],
    "double precision": [0.0, -0.0, 0.1, float("inf")],
    "numeric": [1.1, 2.0],
    "bytea": [b"", b"\0\xff"],
    "boolean": [0, 1],
    "timestamptz": ["2020-01-01T00:00:00+02:00", "0001-01-01 00:00:00Z"],
    "date": ["2020-02-29"],
    "jsonb": ['{"a": 1}', "[]"],
    "json": ['{"a" :1}'],
    "character(3)": ["a", "a "],
}
OWN: Final = {
    "interval": ["1 mon -2 days 00:00:00.5", "-1 year"],
    "text[]": ['{"a,b",NULL,""}', "{}"],
    "int4range": ["[1,5)", "empty"],
    "regclass": ["pg_class"],
    "timestamp": ["infinity", "0044-03-15 BC"],
    "numeric": ["NaN", "1.10"],
}
KEYS: Final[dict[str, Sequence[Value]]] = {
    "bigint": [1, 2, 3, 4, 5],
    "text": ["a", "A", "b", "", "a "],
    "double precision": [0.0, 1.0, 2.0, -3.0],
}
TRIGGERS: Final = {
    "none": "",
    "stamp": "IF TG_WHEN = 'BEFORE' THEN NEW.own := NULL; RETURN NEW; END IF;",
    "spread": """IF TG_WHEN = 'AFTER' AND pg_trigger_depth() = 1 THEN
        UPDATE public.t SET u = NULL WHERE u = 4; DELETE FROM public.t WHERE u = 5; END IF;""",
}


class World(NamedTuple):
    """A table, what it holds, and what is brought into it, once or several times."""

    plan: TablePlan
    own: str
    held: list[tuple[Value, ...]]
    brought: list[list[tuple[Value, ...]]]
    careful: bool
    trigger: str


@st.composite
def worlds(draw: Any) -> World:
    """Keys and unique values that meet often; a column of each of some types, one of the target's own, a trigger."""
    key, sql = draw(st.sampled_from(list(KEYS))), draw(st.sampled_from(list(VALUES)))
    columns = (column(key, "k"), column("integer", "u"), column(sql, "v"))
    plan = plan_of(*columns, load=LoadPath.UPSERT, match_key=("k",))
    plan = replace(
        plan, compare_by=CompareBy.KEYS, on_conflict=draw(st.sampled_from([OnConflict.UPDATE, OnConflict.SKIP]))
    )
    rows = st.lists(
        st.tuples(
            st.sampled_from(KEYS[key]),
            st.one_of(st.none(), st.integers(1, 6)),
            st.one_of(st.none(), st.sampled_from(VALUES[sql])),
        ),
        max_size=5,
        unique_by=lambda row: row[0],
    )
    held, source = draw(rows), draw(rows)
    if draw(st.booleans()):  # unique values that each row hands to the next
        numbered = [(key, place, value) for place, (key, _, value) in enumerate(held, start=1)]
        held, source = numbered, [(key, place + 1, value) for key, place, value in numbered]
    again = draw(st.lists(st.slices(len(source)), max_size=2))  # chunks that are copied once more
    return World(
        plan,
        draw(st.sampled_from(list(OWN))),
        held,
        [source, *(source[part] for part in again)],
        draw(st.booleans()),
        draw(st.sampled_from(list(TRIGGERS))),
    )


class Ground(NamedTuple):
    """A database for all examples."""

    store: LedgerStore
    arrow: Any
    job: int
    table: int


@pytest.fixture(scope="module")
def ground(postgres_server: TestPostgres) -> Iterator[Ground]:
    """A ledger with a job, and a worker's connections."""
    with postgres_server.fresh_database() as url, closing(connect_arrow(url, SESSION)) as arrow:
        store = LedgerStore(lambda: connect_rows(url, SESSION), pool_size=2)
        with store.transaction() as ledger:
            upgrade_ledger(ledger.connection)
        job, table = record(store, chunks=1)
        yield Ground(store, arrow, job, table)
        store.close()


@settings(max_examples=120)
@given(world=worlds())
def test_undone_a_table_is_byte_for_byte_what_it_was(world: World, ground: Ground) -> None:
    """Rows, their types' every form and the target's own columns: a dump before the job and one after are the same."""
    with ground.store.transaction() as ledger:
        _make(ledger, world)
        before = _dump(ledger)
        plan = arm(ledger.connection, world.plan, job=ground.job, table=ground.table)
    for rows in world.brought:
        _write(ground, plan, rows, careful=world.careful)
    with ground.store.transaction() as ledger:
        disarm(ledger.connection, plan)
        written = _dump(ledger)
        kept = run(ledger.connection, "SELECT count(*) FROM pgconvoy.undo").scalar_one()
        assert bool(kept) or written == before
        oid = int(run(ledger.connection, "SELECT 'public.t'::regclass::oid::bigint").scalar_one())
        place = place_of(ledger.connection, oid)
        assert place is not None
        found = weigh(ledger.connection, ground.table, oid, plan, place)
        assert found is not None
        assert (found.missing, list(refer_to_what_goes(ledger.connection, [found]))) == (0, [])
        firing = triggers_of(ledger.connection, oid)
        switch(ledger.connection, found, firing, on=False)
        for group in groups(ledger.connection, [found]):
            restore(ledger.connection, group)
        switch(ledger.connection, found, firing, on=True)
        assert unlike(ledger.connection, found) == 0
        assert _dump(ledger) == before


def _make(ledger: SqlAlchemyLedger, world: World) -> None:
    columns = ", ".join(f"{each.name} {each.type.sql}" for each in world.plan.columns)
    default = f"'{OWN[world.own][0]}'"
    run(ledger.connection, "DELETE FROM pgconvoy.undo; DROP TABLE IF EXISTS public.t")
    run(
        ledger.connection,
        f"CREATE TABLE public.t (gone int, {columns}, own {world.own} DEFAULT {default},"
        " double int GENERATED ALWAYS AS (u * 2) STORED, PRIMARY KEY (k), UNIQUE (u));"
        " ALTER TABLE public.t DROP COLUMN gone",
    )
    plan = replace(world.plan, on_conflict=OnConflict.SKIP, undo=None)
    write_carefully(_raw(ledger), [source_rows(*_columns(world.held))], plan)
    run(ledger.connection, f"UPDATE public.t SET own = '{OWN[world.own][-1]}' WHERE u IN (1, 2)")
    body = TRIGGERS[world.trigger]
    if body:
        run(
            ledger.connection,
            "CREATE OR REPLACE FUNCTION public.own() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN {body} RETURN NEW; END $$",
        )
        for when in ("BEFORE", "AFTER"):
            run(
                ledger.connection,
                f"CREATE TRIGGER own_{when} {when} INSERT OR UPDATE ON public.t FOR EACH ROW"
                " EXECUTE FUNCTION public.own()",
            )


def _write(ground: Ground, plan: TablePlan, rows: list[tuple[Value, ...]], *, careful: bool) -> None:
    """Write as a chunk is written: as columns, and row by row where those are refused."""
    if not rows:
        return
    if not careful:
        try:
            watch(ground.arrow, plan)
            upsert_compared(ground.arrow, to_target(stored(*_columns(rows)), plan.columns), plan, EVERYTHING)
            ground.arrow.commit()
        except NotArrowableError:
            ground.arrow.rollback()
        else:
            return
    with ground.store.transaction() as ledger:
        watch(_raw(ledger), plan)
        write_carefully(_raw(ledger), [source_rows(*_columns(rows))], plan)


def _columns(rows: list[tuple[Value, ...]]) -> list[list[Value]]:
    return [list(values) for values in zip(*rows, strict=True)] or [[], [], []]


def _raw(ledger: SqlAlchemyLedger) -> Any:
    return ledger.connection.connection.dbapi_connection


def _dump(ledger: SqlAlchemyLedger) -> list[str]:
    return list(run(ledger.connection, "SELECT t::text FROM public.t AS t ORDER BY 1").scalars())
