"""The rows that a table holds under the keys of a chunk, read in columns beside the rows that are to be written."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shared.quoting import qualified, quote, quote_list, quote_text
from shared.records.plan import TablePlan, TargetColumn, TypeKind

Places: TypeAlias = npt.NDArray[np.int64]

# Casts say what a domain is made of, which the driver would hand over as bytes that it doesn't know. Numeric comes as
# text: the driver spells each one out itself otherwise, at twice the cost.
_READ_AS: Final = MappingProxyType(
    {
        TypeKind.SMALLINT: "int2",
        TypeKind.INTEGER: "int4",
        TypeKind.BIGINT: "int8",
        TypeKind.REAL: "float4",
        TypeKind.DOUBLE: "float8",
        TypeKind.NUMERIC: "text",
        TypeKind.TEXT: "text",
        TypeKind.BYTEA: "bytea",
        TypeKind.BOOLEAN: "bool",
        TypeKind.TIMESTAMP: "timestamp",
        TypeKind.TIMESTAMPTZ: "timestamptz",
        TypeKind.DATE: "date",
        TypeKind.TIME: "time",
        TypeKind.UUID: "uuid",
        TypeKind.JSON: "text",
        TypeKind.JSONB: "text",
    }
)


class HeldBatch(NamedTuple):
    """Some rows of the target."""

    places: Places
    """For each, which of the rows that are to be written has its key."""
    columns: tuple[pa.Array, ...]
    """As `HeldRows` was asked for them."""


class HeldRows:
    """Reads a table's rows within the caller's transaction; memory holds one batch of the driver's (16 MB) at once."""

    def __init__(self, connection: Any, plan: TablePlan, columns: Sequence[TargetColumn]) -> None:
        """Look at a table.

        Args:
            connection: ADBC's; until the transaction ends, its statements are not compiled just in time.
            plan: The table.
            columns: What is to be read of its rows.
        """
        self._connection = connection
        self._plan = plan
        self._list = ", ".join(f"t.{quote(each.name)}::pg_catalog.{_READ_AS[each.type.kind]}" for each in columns)
        self._table = f"{self._prepare()}{qualified(plan.schema, plan.name)}"

    def by_range(self, keys: Places, first: int, end: int) -> Iterator[HeldBatch]:
        """Read the rows whose integer key is among the ascending `keys` from place `first` up to `end`.

        By the range that those span; rows under other keys of it are left out. Read to the end before the connection
        is used again.
        """
        key = f"t.{quote(self._plan.match_key[0])}"
        where = " AND ".join(
            f"{key} OPERATOR(pg_catalog.{sign}) '{bound}'::pg_catalog.int8"
            for sign, bound in ((">=", keys[first]), ("<=", keys[end - 1]))
        )
        for held, columns in self._read(f"{key}::pg_catalog.int8", f"{self._table} AS t WHERE {where}"):
            places = np.searchsorted(keys[:end], held)
            there = keys[places] == held
            if there.all():
                yield HeldBatch(places, columns)
            else:
                yield HeldBatch(places[there], tuple(column.filter(pa.array(there)) for column in columns))

    def by_keys(self, keys: pa.Table, first: int, end: int) -> Iterator[HeldBatch]:
        """Read the rows under the keys of a chunk, columns in wire types, from place `first` up to `end`.

        Read to the end before the connection is used again.
        """
        stage, place = quote(f"pgconvoy_keys_{uuid.uuid4().hex}"), _new_name("place", keys.column_names)
        with self._connection.cursor() as cursor:
            cursor.execute(
                f"CREATE TEMPORARY TABLE {stage} ON COMMIT DROP AS SELECT {quote_list(keys.column_names)},"
                f" 0::pg_catalog.int8 AS {quote(place)} FROM {self._table} WITH NO DATA"
            )
            numbered = keys.slice(first, end - first).append_column(place, [np.arange(first, end)])
            cursor.adbc_ingest(stage[1:-1], numbered, mode="append", temporary=True)
            cursor.execute(f"ANALYZE pg_temp.{stage}")
        same = " AND ".join(f"t.{quote(name)} OPERATOR(pg_catalog.=) k.{quote(name)}" for name in keys.column_names)
        for places, columns in self._read(
            f"k.{quote(place)}", f"pg_temp.{stage} AS k JOIN {self._table} AS t ON {same}"
        ):
            yield HeldBatch(places, columns)

    def _prepare(self) -> str:
        """Ask whether rows of child tables must be left out, whose keys are not the table's (those of partitions are).

        The compiling costs more than a chunk's reading, where a table never analyzed makes it look expensive.
        """
        name = quote_text(qualified(self._plan.schema, self._plan.name))
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_catalog.set_config('jit', 'off', true), c.relkind = 'p'"
                f" FROM pg_catalog.pg_class AS c WHERE c.oid = {name}::pg_catalog.regclass"
            )
            return "" if cursor.fetchone()[1] else "ONLY "

    def _read(self, number: str, source: str) -> Iterator[tuple[Places, tuple[pa.Array, ...]]]:
        """Read batches of the columns, and of a number beside them."""
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT {number}, {self._list} FROM {source}")
            for batch in cursor.fetch_record_batch():
                first, *others = map(_plain, batch.columns)
                yield first.to_numpy(), tuple(others)


def _plain(array: pa.Array) -> pa.Array:
    """See the storage of uuids, which Arrow's kernels know."""
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def _new_name(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "_"
    return name
