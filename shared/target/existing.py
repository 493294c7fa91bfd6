"""What is in the target already, read from PostgreSQL's catalogs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from shared.errors import OperatorError
from shared.quoting import qualified
from shared.records.existing import ExistingColumn, ExistingTable, RelationKind
from shared.records.plan import KeyPlan, TargetType, TypeKind
from shared.target.enforced import read_extras, read_foreign_keys, read_part_of, read_triggers
from shared.target.statements import run

_KINDS: Final[Mapping[str, RelationKind]] = MappingProxyType(
    {
        "r": RelationKind.TABLE,
        "p": RelationKind.PARTITIONED_TABLE,
        "v": RelationKind.VIEW,
        "m": RelationKind.MATERIALIZED_VIEW,
        "f": RelationKind.FOREIGN_TABLE,
        "S": RelationKind.SEQUENCE,
        "i": RelationKind.INDEX,
        "I": RelationKind.INDEX,
        "c": RelationKind.COMPOSITE_TYPE,
        "type": RelationKind.TYPE,
    }
)
"""By pg_class.relkind, and what `_RELATIONS` calls other types."""
_TYPES: Final[Mapping[str, TypeKind]] = MappingProxyType(
    {
        "int2": TypeKind.SMALLINT,
        "int4": TypeKind.INTEGER,
        "int8": TypeKind.BIGINT,
        "float4": TypeKind.REAL,
        "float8": TypeKind.DOUBLE,
        "numeric": TypeKind.NUMERIC,
        "text": TypeKind.TEXT,
        "varchar": TypeKind.TEXT,
        "bpchar": TypeKind.TEXT,
        "citext": TypeKind.TEXT,
        "bytea": TypeKind.BYTEA,
        "bool": TypeKind.BOOLEAN,
        "timestamp": TypeKind.TIMESTAMP,
        "timestamptz": TypeKind.TIMESTAMPTZ,
        "date": TypeKind.DATE,
        "time": TypeKind.TIME,
        "uuid": TypeKind.UUID,
        "json": TypeKind.JSON,
        "jsonb": TypeKind.JSONB,
    }
)
"""By pg_type.typname of types that are PostgreSQL's own (and citext)."""

_RELATIONS: Final = text("""
    SELECT c.oid, c.relname, c.relkind::text, c.reltuples, pg_catalog.pg_has_role(c.relowner, 'USAGE') AS owned
    FROM pg_catalog.pg_class c
    WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = :schema)
      AND c.relname = ANY (CAST(:names AS text[]))
    UNION ALL
    SELECT t.oid, t.typname, 'type', -1, false
    FROM pg_catalog.pg_type t
    WHERE t.typnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = :schema)
      AND t.typname = ANY (CAST(:names AS text[])) AND t.typrelid = 0 AND t.typcategory <> 'A'
    ORDER BY relname
""")
"""A table makes a type of its name, so an enum or domain is in its way too (an array type gives way)."""
_COLUMNS: Final = text("""
    SELECT a.attname, base.typname, base.builtin, pg_catalog.format_type(base.oid, base.typmod) AS sql,
           a.attnotnull OR base.not_null AS not_null,
           a.attgenerated::text <> '' AS generated, a.attidentity::text AS identity,
           a.atthasdef OR base.has_default AS has_default,
           EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.objid
                   WHERE d.classid = 'pg_catalog.pg_class'::regclass AND s.relkind = 'S'
                     AND d.refclassid = 'pg_catalog.pg_class'::regclass
                     AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum) AS has_sequence,
           (SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(s.relname)
            FROM pg_catalog.pg_attrdef f
            JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = f.oid
             AND d.refclassid = 'pg_catalog.pg_class'::regclass
            JOIN pg_catalog.pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
            JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
            WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum ORDER BY s.oid LIMIT 1) AS sequence,
           (SELECT quote_ident(n.nspname) || '.' || quote_ident(c.collname)
            FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
            WHERE c.oid = a.attcollation AND NOT c.collisdeterministic) AS collation
    FROM pg_catalog.pg_attribute a
    CROSS JOIN LATERAL (
        WITH RECURSIVE made_from AS (
            SELECT t.*, a.atttypmod AS typmod, t.typnotnull AS not_null, t.typdefault IS NOT NULL AS has_default
            FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid
            UNION ALL
            SELECT t.*, m.typtypmod, m.not_null OR t.typnotnull, m.has_default OR t.typdefault IS NOT NULL
            FROM made_from m JOIN pg_catalog.pg_type t ON t.oid = m.typbasetype
            WHERE m.typtype = 'd'
        )
        SELECT oid, typname, typmod, not_null, has_default,
               typnamespace = 'pg_catalog'::regnamespace OR typname = 'citext' AS builtin
        FROM made_from WHERE typtype <> 'd'
    ) base
    WHERE a.attrelid = :oid AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum
""")
_KEYS: Final = text("""
    SELECT i.indisprimary, c.relname, array_agg(a.attname::text ORDER BY k.place) AS columns
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
    WHERE i.indrelid = :oid AND i.indisunique AND i.indisvalid AND i.indimmediate
      AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts
    GROUP BY i.indisprimary, c.relname
    ORDER BY i.indisprimary DESC, c.relname
""")
_TAKEN: Final = text("""
    SELECT c.relname
    FROM pg_catalog.pg_class c
    LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
    LEFT JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
    WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = :schema)
      AND coalesce(t.relname, c.relname) <> ALL (CAST(:besides AS text[]))
    ORDER BY c.relname
""")


def read_existing(connection: Connection, schema: str, names: Sequence[str]) -> tuple[ExistingTable, ...]:
    """Look up which of `names` are taken in a schema, and by what.

    Raises:
        OperatorError: where the role may not read a table.
    """
    found = connection.execute(_RELATIONS, {"schema": schema, "names": list(names)}).all()
    return tuple(_existing(connection, schema, row) for row in found)


def read_taken_names(connection: Connection, schema: str, *, besides: Sequence[str] = ()) -> frozenset[str]:
    """List the names that tables, indexes and the like of a schema have, besides some tables and their indexes."""
    rows = connection.execute(_TAKEN, {"schema": schema, "besides": list(besides)})
    return frozenset(rows.scalars())


def _existing(connection: Connection, schema: str, relation: Any) -> ExistingTable:
    kind = _KINDS.get(relation.relkind, RelationKind.OTHER)
    if not kind.takes_rows:
        return ExistingTable(schema=schema, name=relation.relname, kind=kind)
    keys = connection.execute(_KEYS, {"oid": relation.oid}).all()
    return ExistingTable(
        schema=schema,
        name=relation.relname,
        kind=kind,
        columns=tuple(_column(row) for row in connection.execute(_COLUMNS, {"oid": relation.oid})),
        primary_key=next((_key(row) for row in keys if row.indisprimary), None),
        unique_keys=tuple(_key(row) for row in keys if not row.indisprimary),
        has_rows=_has_rows(connection, schema, relation.relname),
        estimated_rows=int(relation.reltuples) if relation.reltuples >= 0 else None,
        owned=relation.owned,
        foreign_keys=read_foreign_keys(connection, relation.oid),
        triggers=read_triggers(connection, relation.oid),
        part_of=read_part_of(connection, relation.oid),
        extras=read_extras(connection, relation.oid),
    )


def _column(row: Any) -> ExistingColumn:
    kind = _TYPES.get(row.typname, TypeKind.OTHER) if row.builtin else TypeKind.OTHER
    return ExistingColumn(
        name=row.attname,
        type=TargetType(kind=kind, sql=row.sql),
        not_null=row.not_null,
        has_default=(row.has_default or row.identity != "") and not row.generated,
        generated=row.generated,
        identity_always=row.identity == "a",
        has_sequence=row.has_sequence,
        sequence=None if row.has_sequence else row.sequence,
        collation=row.collation,
    )


def _key(row: Any) -> KeyPlan:
    return KeyPlan(name=row.relname, columns=tuple(row.columns))


def _has_rows(connection: Connection, schema: str, name: str) -> bool:
    """Ask the table itself: PostgreSQL's estimate may be old."""
    statement = f"SELECT EXISTS (SELECT FROM {qualified(schema, name)})"
    try:
        found = run(connection, statement).scalar_one()
    except DBAPIError as error:
        said = str(error.orig).strip().splitlines()[0]
        msg = f"the table {schema}.{name} of the target cannot be read: {said}; grant the target's role SELECT on it"
        raise OperatorError(msg) from error
    return bool(found)
