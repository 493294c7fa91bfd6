"""Names of a real PostgreSQL: whatever a source calls its objects, the target takes the names that the plan gives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from schemakit import column, index, table, translated, unique

from shared.records.plan import SchemaPlan
from shared.records.source import SourceForeignKey, SourceTable
from shared.schema.names import SYSTEM_COLUMNS, fold
from shared.target.ddl import whole_schema

_HARD = [
    *("", " ", "\0", "\x01", "\x7f", "\n", '"', "'", "%", "%s", "\\", "$1", ".", "a.b", "\ufeff", "\u202e"),
    *("select", "USER", "Order", "table", "text", "int4", "pg_class", "pg_toast", "information_schema", "oid"),
    *("x", "_x", "__x", "X_pkey", "x_pkey", "x_pkey_2", "x__key", "ä", "Ä", "a\u0301", "á", "🚚" * 16, "x" * 63),
    *("x" * 64, "x" * 65, "ü" * 31 + "a", "ü" * 32, *sorted(SYSTEM_COLUMNS), "CTID", "Xmin", "xmin_2"),
]
_NAME = st.sampled_from(_HARD) | st.text(max_size=8) | st.text(alphabet="xX_ü", max_size=70)
_NAMES = st.lists(_NAME, min_size=1, max_size=8, unique_by=fold)


@pytest.fixture
def connection(target_url: str) -> Iterator[Any]:
    """A connection whose transactions nobody commits."""
    with closing(psycopg2.connect(target_url)) as opened:
        yield opened


def _source(tables: list[str], columns: list[str]) -> list[SourceTable]:
    """Tables of the same columns, with keys, indexes and foreign keys whose names come close to each other."""
    first = columns[0]
    to_itself = SourceForeignKey(columns=(first,), parent_table=tables[0], parent_columns=(first,))
    return [
        table(
            name,
            *(column(each, "TEXT") for each in columns),
            indexes=(unique(first), index(f"{name}_{first}_key", first), index(f"i{name}", *columns[:3])),
            foreign_keys=(to_itself, to_itself),
        )
        for name in tables
    ]


def _names_of(plan: SchemaPlan) -> set[tuple[str, str]]:
    """What the target has to hold: each relation, column and constraint under the name that the plan gives."""
    names = set()
    for each in plan.tables:
        names.add(("relation", each.name))
        names.update(("relation", key.name) for key in (*each.unique_keys, *each.indexes))
        names.update((f"column of {each.name}", part.name) for part in each.columns)
        names.update((f"constraint of {each.name}", key.name) for key in (*each.unique_keys, *each.foreign_keys))
    return names


_HELD = """
    WITH own AS (SELECT oid, relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    SELECT 'relation', relname FROM own WHERE relkind IN ('r', 'i')
    UNION SELECT 'column of ' || relname, attname FROM pg_attribute JOIN own ON own.oid = attrelid
          WHERE attnum > 0 AND relkind = 'r'
    UNION SELECT 'constraint of ' || relname, conname FROM pg_constraint JOIN own ON own.oid = conrelid
          WHERE contype <> 'n'
"""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables=_NAMES, columns=_NAMES, preserve=st.booleans())
@example(tables=_HARD[:20], columns=_HARD[:40], preserve=False)
@example(tables=list({fold(name): name for name in _HARD}.values()), columns=["a"], preserve=True)
def test_any_names_become_names_of_postgresql(
    connection: Any,
    tables: list[str],
    columns: list[str],
    preserve: bool,  # noqa: FBT001 - drawn
) -> None:
    """Tables, columns, keys and indexes of any names are made under just the names that the plan gives them."""
    tables, columns = (list({fold(name): name for name in names}.values()) for names in (tables, columns))
    plan = translated(*_source(tables, columns), preserve_identifiers=preserve)
    assert all(len(each.foreign_keys) == 2 for each in plan.tables)
    assert len(plan.tables) == len(tables)
    with connection.cursor() as cursor:
        try:
            cursor.execute(whole_schema(plan))
            cursor.execute(_HELD)
            assert {(kind, name) for kind, name in cursor.fetchall()} == _names_of(plan)
        finally:
            connection.rollback()
