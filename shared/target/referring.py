"""Rows that refer to rows which are about to go, and tables that must therefore be restored together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from shared.quoting import qualified, quote
from shared.target.restoring import MOST_KEYS, Changed
from shared.target.statements import run

_KEYS: Final = text("""
    SELECT k.conname AS name, k.conrelid::bigint AS child, k.confrelid::bigint AS parent,
           n.nspname AS schema, c.relname AS relation, c.relkind::text AS kind,
           (SELECT array_agg(a.attname::text ORDER BY f.place)
              FROM unnest(k.conkey) WITH ORDINALITY f (number, place)
              JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = f.number) AS columns,
           (SELECT array_agg(a.attname::text ORDER BY f.place)
              FROM unnest(k.confkey) WITH ORDINALITY f (number, place)
              JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = f.number) AS parents,
           (SELECT array_agg(pg_catalog.format('%I.%s', s.nspname, o.oprname) ORDER BY f.place)
              FROM unnest(k.conpfeqop) WITH ORDINALITY f (number, place)
              JOIN pg_catalog.pg_operator o ON o.oid = f.number
              JOIN pg_catalog.pg_namespace s ON s.oid = o.oprnamespace) AS operators
      FROM pg_catalog.pg_constraint k
      JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid = ANY (CAST(:oids AS oid[])) ORDER BY k.conname
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferringKey:
    """A foreign key, seen from the table that it refers to."""

    name: str
    child: int
    """PostgreSQL's number of the table whose rows refer."""
    parent: int
    schema: str
    relation: str
    kind: str
    columns: list[str]
    parents: list[str]
    """The columns that are referred to, in the order of `columns`."""
    operators: list[str]
    """Those of the key, by their full names."""

    @property
    def children(self) -> str:
        """The rows that refer, in SQL: not those of tables that inherit, which the key does not bind."""
        return f"{'' if self.kind == 'p' else 'ONLY '}{qualified(self.schema, self.relation)}"

    def joins(self, child: str, parent: str) -> str:
        """Say in SQL that a row of the one alias refers to a row of the other."""
        return " AND ".join(
            f"{parent}.{quote(there)} OPERATOR({operator}) {child}.{quote(here)}"
            for here, there, operator in zip(self.columns, self.parents, self.operators, strict=True)
        )


def keys_to(connection: Connection, oids: Sequence[int]) -> list[ReferringKey]:
    """The foreign keys that refer to some tables, by PostgreSQL's numbers of these."""
    return [ReferringKey(**row) for row in connection.execute(_KEYS, {"oids": list(oids)}).mappings()]


def refer_to_what_goes(connection: Connection, tables: Sequence[Changed]) -> Iterator[str]:
    """Say which rows, not the job's themselves, refer to rows that it inserted, whatever the key would do with them."""
    by_oid = {each.oid: each for each in tables}
    for key in keys_to(connection, list(by_oid)):
        parent, child = by_oid[key.parent], by_oid.get(key.child)
        ours = (
            f" AND NOT EXISTS (SELECT FROM {child.back} AS o WHERE o.place_of = c.tableoid AND o.place = c.ctid)"
            if child
            else ""
        )
        said = ", ".join(f"pg_catalog.concat({_quoted(name)}, c.{quote(name)})" for name in key.columns)
        found = (
            run(
                connection,
                f"SELECT pg_catalog.concat_ws(', ', {said}) FROM {parent.back} AS b"
                f" JOIN {parent.table} AS h ON h.tableoid = b.place_of AND h.ctid = b.place"
                f" JOIN {key.children} AS c ON {key.joins('c', 'h')}"
                f" WHERE b.old IS NULL AND b.place IS NOT NULL{ours}",
            )
            .scalars()
            .all()
        )
        if found:
            rows = "1 row" if len(found) == 1 else f"{len(found):,} rows"
            named = "; ".join(found[:MOST_KEYS]) + ("; …" if len(found) > MOST_KEYS else "")
            yield (
                f"{rows} of {key.schema}.{key.relation} ({named}) refer by the foreign key {key.name} to rows of"
                f" {parent.place.schema}.{parent.place.name} that would go"
            )


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + " = '"


def groups(connection: Connection, tables: Sequence[Changed]) -> list[list[Changed]]:
    """Put tables together that foreign keys join, by whatever way."""
    by_oid = {each.oid: [each] for each in tables}
    for key in keys_to(connection, list(by_oid)):
        one, other = by_oid[key.parent], by_oid.get(key.child)
        if other is not None and other is not one:
            one.extend(other)
            for each in other:
                by_oid[each.oid] = one
    return list({id(group): group for group in by_oid.values()}.values())
