from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from targetkit import SESSION, column, plan_of, source_rows

from shared.errors import MissingParentError, OperatorError, TransientError
from shared.records.keys import RawText, SourceRow
from shared.records.plan import GeneratedPlan, LoadPath, TablePlan, TargetColumn
from shared.records.work import CopyPath
from shared.target.careful_writer import write_carefully
from shared.target.connections import connect_rows


@pytest.fixture
def rows(target_url: str) -> Iterator[Any]:
    """A psycopg2 connection to a fresh database."""
    connection = connect_rows(target_url, SESSION)
    yield connection
    connection.close()


def _run(connection: Any, statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def test_rows_that_do_not_fit_are_kept_whole_and_the_others_written(rows: Any) -> None:
    """Mixed storage classes: what the column holds is written, the rest comes back with key, values and reason."""
    _run(rows, "CREATE TABLE public.t (id bigint, v bigint)")
    values = [1, "N/A", 2.0, None, 2.5, b"\x03", RawText(b"\xff"), 7]
    ids = list(range(1, 9))
    result = write_carefully(rows, [source_rows(ids, values)], plan_of(column("bigint", "id"), column("bigint")))
    assert (result.path, result.rows) == (CopyPath.CAREFUL_BARE, 4)
    assert _run(rows, "SELECT * FROM public.t ORDER BY id") == [(1, 1), (3, 2), (4, None), (8, 7)]
    assert [(r.key, r.values, r.column) for r in result.rejects] == [
        ((number,), (number, values[number - 1]), "V") for number in (2, 5, 6, 7)
    ]
    assert result.rejects[1].reason == "the value has a fraction (type bigint)"


def test_the_rows_that_postgresql_refuses_are_found_in_a_large_batch(rows: Any) -> None:
    """Among 5,000 rows, the few that PostgreSQL refuses are found, each with its column and one sentence."""
    _run(rows, "CREATE TABLE public.t (id bigint, a json, b inet CHECK (b <> '10.0.0.13'), c text NOT NULL)")
    count = 5000
    documents = ["{}" if n % 1000 else "{bad" for n in range(count)]
    hosts = [f"10.0.{n // 256}.{n % 256}" if n != 77 else "nowhere" for n in range(count)]
    texts = [None if n == 4999 else "x" for n in range(count)]
    plan = plan_of(column("bigint", "id"), column("json", "a"), column("inet", "b"), column("text", "c"))
    result = write_carefully(rows, [source_rows(list(range(count)), documents, hosts, texts)], plan)
    assert result.rows == count - 8 == _run(rows, "SELECT count(*) FROM public.t")[0][0]
    found = {reject.values[0]: (reject.column, reject.reason) for reject in result.rejects}
    assert sorted(found) == [0, 13, 77, 1000, 2000, 3000, 4000, 4999]
    assert found[0][0] == "A"
    assert found[77][0] == "B"
    assert found[77][1] == 'invalid input syntax for type inet: "nowhere" [SQLSTATE 22P02]'
    assert found[13][0] is None
    assert "check constraint" in found[13][1]
    assert found[4999][0] == "C"
    assert not any("\n" in reason for _, reason in found.values())


def test_the_column_is_named_among_others_with_quotes_and_wide_characters(rows: Any) -> None:
    """The literal that PostgreSQL points at is counted out over quotes, NULLs and characters of several bytes."""
    _run(rows, 'CREATE TABLE public."täble" ("ü %s" text, b text, c json, d json)')
    names = ["ü %s", "b", "c", "d"]
    plan = plan_of(
        *(column(sql, name) for sql, name in zip(["text", "text", "json", "json"], names, strict=True)), name="täble"
    )
    for place in (2, 3):
        values = ["it's " + "𝄞" * 20 + " \\ %s", None, "{}", "{}"]
        values[place] = "{'nein"
        result = write_carefully(rows, [[SourceRow((1,), tuple(values))]], plan)
        assert [reject.column for reject in result.rejects] == [names[place].upper()]


def test_what_is_not_about_values_is_no_reject(rows: Any, target_url: str) -> None:
    """A missing parent row, a missing privilege and a lost connection stop the chunk instead."""
    _run(rows, "CREATE TABLE public.p (id bigint PRIMARY KEY)")
    _run(rows, "CREATE TABLE public.t (v bigint REFERENCES public.p)")
    _run(rows, "DO $$ BEGIN CREATE ROLE reader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    rows.commit()
    plan, batches = plan_of(column("bigint")), [source_rows([1])]
    with pytest.raises(TransientError, match="foreign key"):
        write_carefully(rows, batches, plan)
    rows.rollback()
    reader = connect_rows(target_url.replace("postgres:", "reader:"), SESSION)
    with pytest.raises(OperatorError, match="permission denied"):
        write_carefully(reader, batches, plan)
    reader.rollback()
    (pid,) = _run(reader, "SELECT pg_backend_pid()")[0]
    _run(rows, f"SELECT pg_terminate_backend({pid}, 5000)")
    with pytest.raises(TransientError):
        write_carefully(reader, batches, plan)
    reader.close()


def test_rejects_leave_the_transaction_usable(rows: Any) -> None:
    """After refused rows the caller's transaction goes on, with what it did before, and may roll all of it back."""
    _run(rows, "CREATE TABLE public.t (v json)")
    rows.commit()
    _run(rows, "INSERT INTO public.t VALUES ('1')")
    result = write_carefully(rows, [source_rows(["{", "2"])], plan_of(column("json")))
    assert len(result.rejects) == 1
    assert _run(rows, "SELECT v::text FROM public.t") == [("1",), ("2",)]
    rows.rollback()
    assert _run(rows, "SELECT v::text FROM public.t") == []


def test_no_batches_is_no_rows(rows: Any) -> None:
    """An empty key range needs no table even."""
    result = write_carefully(rows, [], plan_of(column("bigint")))
    assert (result.rows, result.rejects) == (0, ())


def test_memory_holds_a_batch_not_the_table(rows: Any) -> None:
    """Batches are taken one by one: 40 MB of rows go through in a fraction of that."""
    _run(rows, "CREATE TABLE public.t (id bigint, v text)")

    def batches() -> Iterator[list[SourceRow]]:
        for first in range(0, 4000, 100):
            yield [SourceRow((n,), (n, f"{n}" + "x" * 10_000)) for n in range(first, first + 100)]

    tracemalloc.start()
    try:
        result = write_carefully(rows, batches(), plan_of(column("bigint", "id"), column("text")))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result.rows == 4000
    assert peak < 15_000_000


def test_wide_rows_are_sent_a_few_at_a_time(rows: Any) -> None:
    """Rows of megabytes go in statements of bounded size, and a bad one among them is still found."""
    _run(rows, "CREATE TABLE public.t (v json)")
    wide = '"' + "x" * 3_000_000 + '"'
    batch = source_rows([wide] * 16 + [wide[:-1]] + [wide] * 3)
    tracemalloc.start()
    try:
        result = write_carefully(rows, [batch], plan_of(column("json")))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (result.rows, len(result.rejects)) == (19, 1)
    assert len(result.rejects[0].reason) < 600
    assert peak < 60_000_000  # 39 MB measured; the batch as one statement takes 267 MB


def _upsert_plan(*columns: TargetColumn, match_key: tuple[str, ...] = ("k",)) -> TablePlan:
    return plan_of(*columns, load=LoadPath.UPSERT, match_key=match_key)


@pytest.mark.parametrize(
    ("sql", "keys"),
    [
        ("character(3)", ["a", "a ", "b"]),
        ("timestamp with time zone", ["2024-01-01 00:00:00Z", "2024-01-01 01:00:00+01:00", "2024-01-01 00:00:01Z"]),
        ("timestamp with time zone", ["0001-01-01 00:00Z", "0001-01-01 14:00+14:00", "0001-01-01 00:00+14:00"]),
        ("timestamp without time zone", ["2024-01-01", "2024-01-01T00:00:00.000", "2024-01-01 00:00:00.1"]),
        ("time without time zone", ["10:00", "10:00:00.0", "10:00:00.000001"]),
        ("uuid", ["a0eebc999c0b4ef8bb6d6bb9bd380a11", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "0" * 32]),
        ("numeric", [1, 1.0, 1.5]),
        ("double precision", [0.0, -0.0, 5e-324]),
    ],
)
def test_of_two_rows_with_one_key_in_the_target_the_second_is_a_reject(rows: Any, sql: str, keys: list[Any]) -> None:
    """Keys that SQLite tells apart and PostgreSQL does not: the first row stays, the second is kept as a reject."""
    _run(rows, f"CREATE TABLE public.t (k {sql} PRIMARY KEY, v bigint)")
    plan = _upsert_plan(
        column(sql.replace(" without time zone", "").replace(" with time zone", "tz"), "k"), column("bigint")
    )
    result = write_carefully(rows, [source_rows(keys, [1, 2, 3])], plan)
    assert _run(rows, "SELECT v FROM public.t ORDER BY v") == [(1,), (3,)]
    assert [reject.values for reject in result.rejects] == [(keys[1], 2)]
    assert "has the same key" in result.rejects[0].reason


def test_a_unique_value_may_go_from_row_to_row(rows: Any) -> None:
    """A value that the row below still holds is not lost: its new holder comes in when the old one has let go."""
    _run(rows, "CREATE TABLE public.t (k bigint PRIMARY KEY, v text UNIQUE)")
    _run(rows, "INSERT INTO public.t VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (9, 'z')")
    plan = _upsert_plan(column("bigint", "k"), column("text"))
    result = write_carefully(rows, [source_rows([1, 2, 3, 4, 5], ["b", "c", "d", "e", "z"])], plan)
    assert _run(rows, "SELECT * FROM public.t ORDER BY k") == [(1, "b"), (2, "c"), (3, "d"), (4, "e"), (9, "z")]
    assert result.rows == 4
    assert [(reject.values, reject.column) for reject in result.rejects] == [((5, "z"), None)]


_FAMILY = """
    CREATE TABLE public.p (id bigint PRIMARY KEY);
    INSERT INTO public.p VALUES (1);
    CREATE TABLE public.t (id bigint PRIMARY KEY, v bigint REFERENCES public.{parent} {deferred})
"""


@pytest.mark.parametrize("deferred", ["", "DEFERRABLE INITIALLY DEFERRED"])
@pytest.mark.parametrize("load", LoadPath)
def test_rows_without_a_parent_become_rejects_at_last(rows: Any, deferred: str, load: LoadPath) -> None:
    """Where no parent is on its way any more, each orphan is a reject of its own, deferred constraints included."""
    _run(rows, _FAMILY.format(parent="p", deferred=deferred))
    plan = plan_of(column("bigint", "id"), column("bigint"), load=load, match_key=("id",))
    batch = source_rows([1, 2, 3, 4, 5], [1, 7, None, 8, 1])
    result = write_carefully(rows, [batch], plan, reject_orphans=True)
    rows.commit()
    assert _run(rows, "SELECT id FROM public.t ORDER BY id") == [(1,), (3,), (5,)]
    assert sorted(reject.values[0] for reject in result.rejects) == [2, 4]
    assert all("foreign key" in reject.reason for reject in result.rejects)
    assert result.rows == 3


@pytest.mark.parametrize("deferred", ["", "DEFERRABLE INITIALLY DEFERRED"])
def test_parents_of_the_same_chunk_are_waited_for(rows: Any, deferred: str) -> None:
    """Rows that refer to rows of later batches come in once those have, whatever was refused between them."""
    _run(rows, _FAMILY.format(parent="t", deferred=deferred))
    plan = plan_of(column("bigint", "id"), column("bigint"), load=LoadPath.UPSERT, match_key=("id",))
    batches = [source_rows([1, 2, 3], [4, 99, 1]), source_rows([4, 5], [5, None])]
    result = write_carefully(rows, batches, plan, reject_orphans=True)
    rows.commit()
    assert _run(rows, "SELECT id FROM public.t ORDER BY id") == [(1,), (3,), (4,), (5,)]
    assert [reject.values for reject in result.rejects] == [(2, 99)]


def test_rows_without_a_parent_are_not_written_before(rows: Any) -> None:
    """As long as the parent may come, a foreign key is a reason to try again, and says so by its class."""
    _run(rows, _FAMILY.format(parent="p", deferred=""))
    plan = plan_of(column("bigint", "id"), column("bigint"), load=LoadPath.UPSERT, match_key=("id",))
    with pytest.raises(MissingParentError, match="foreign key"):
        write_carefully(rows, [source_rows([1, 2], [1, 7])], plan)


@pytest.mark.parametrize("load", LoadPath)
def test_generated_columns_are_never_written(rows: Any, load: LoadPath) -> None:
    """The target computes them; what the source holds there is no reason to refuse a row, and stays in a reject."""
    _run(rows, "CREATE TABLE public.t (id bigint PRIMARY KEY, g bigint GENERATED ALWAYS AS (id * 2) STORED, v bigint)")
    generated = column("bigint", "g", generated=GeneratedPlan(sql="id * 2"))
    plan = plan_of(column("bigint", "id"), generated, column("bigint"), load=load, match_key=("id",))
    batch = source_rows([1, 2, 3], ["no number", None, 6], [10, "N/A", 30])
    result = write_carefully(rows, [batch], plan)
    assert _run(rows, "SELECT * FROM public.t ORDER BY id") == [(1, 2, 10), (3, 6, 30)]
    assert [(reject.values, reject.column) for reject in result.rejects] == [((2, None, "N/A"), "V")]
    if load is LoadPath.UPSERT:
        write_carefully(rows, [source_rows([1], [2], [11])], plan)
        assert _run(rows, "SELECT * FROM public.t WHERE id = 1") == [(1, 2, 11)]


def test_a_generated_key_matches_rows(rows: Any) -> None:
    """Rows are upserted by a key that the target computes, and two of one chunk do not overwrite each other."""
    _run(rows, "CREATE TABLE public.t (a text, g text GENERATED ALWAYS AS (lower(a)) STORED UNIQUE, v bigint)")
    _run(rows, "INSERT INTO public.t (a, v) VALUES ('X', 1)")
    generated = column("text", "g", generated=GeneratedPlan(sql="lower(a)"))
    plan = plan_of(column("text", "a"), generated, column("bigint"), load=LoadPath.UPSERT, match_key=("g",))
    batch = source_rows(["x", "Y", "y"], ["x", "y", "y"], [2, 3, 4])
    result = write_carefully(rows, [batch], plan)
    assert _run(rows, "SELECT * FROM public.t ORDER BY g") == [("x", "x", 2), ("Y", "y", 3)]
    assert [reject.values for reject in result.rejects] == [("y", "y", 4)]


def test_json_beyond_the_servers_depth_becomes_a_reject(rows: Any) -> None:
    """Thousands of levels arrive; what PostgreSQL's max_stack_depth does not allow is that row's reject."""
    _run(rows, "CREATE TABLE public.t (id bigint, v jsonb)")
    deep = ["[" * levels + "]" * levels for levels in (2_000, 200_000)]
    plan = plan_of(column("bigint", "id"), column("jsonb"))
    result = write_carefully(rows, [source_rows([1, 2, 3], [*deep, "{}"])], plan)
    assert _run(rows, "SELECT id FROM public.t ORDER BY id") == [(1,), (3,)]
    assert [reject.key for reject in result.rejects] == [(2,)]
