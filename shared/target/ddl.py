"""The SQL that makes a plan real, one statement a function. Pure text: nothing here talks to PostgreSQL.

No statement has bound values, so run them without parameters: a percent sign in a name stands for itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shared.quoting import qualified, quote, quote_list, quote_text
from shared.records.plan import (
    BuildPhase,
    CheckPlan,
    ForeignKeyPlan,
    Grade,
    IndexPlan,
    KeyPlan,
    ObjectGrade,
    ObjectPlan,
    SchemaPlan,
    SearchPlan,
    SetAsideKey,
    SetAsideTrigger,
    TablePlan,
    TargetColumn,
)


def create_schema(schema: str) -> str:
    """Make the target schema where it is not there yet."""
    return f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}"


def create_table(plan: TablePlan) -> str:
    """Make a table bare: columns, NOT NULL and defaults; keys and identities come after the rows."""
    columns = ",\n".join("    " + _column(column) for column in plan.columns)
    return f"CREATE TABLE {_table(plan)} (\n{columns}\n)"


def primary_key(plan: TablePlan) -> str | None:
    """Add the primary key, or None where the table has none."""
    if plan.primary_key is None:
        return None
    return f"{_add_constraint(plan, plan.primary_key.name)} PRIMARY KEY ({quote_list(plan.primary_key.columns)})"


def unique_key(plan: TablePlan, key: KeyPlan) -> str:
    """Add a unique key."""
    return f"{_add_constraint(plan, key.name)} UNIQUE ({quote_list(key.columns)})"


def key_index(plan: TablePlan, key: KeyPlan) -> str:
    """Make the index of a key alone; unlike a constraint, it can be made while other indexes of the table are."""
    return f"CREATE UNIQUE INDEX {quote(key.name)} ON {_table(plan)} ({quote_list(key.columns)})"


def attach_key(plan: TablePlan, key: KeyPlan, *, primary: bool) -> str:
    """Make a key's index, which is there under its name, into the constraint."""
    kind = "PRIMARY KEY" if primary else "UNIQUE"
    return f"{_add_constraint(plan, key.name)} {kind} USING INDEX {quote(key.name)}"


def drop_index(plan: TablePlan, name: str) -> str:
    """Drop an index of a table."""
    return f"DROP INDEX {qualified(plan.schema, name)}"


def index(plan: TablePlan, index_plan: IndexPlan) -> str:
    """Make an index."""
    terms = index_plan.terms or [
        quote(name) + (" DESC" if descending else "")
        for name, descending in zip(index_plan.columns, index_plan.descending, strict=True)
    ]
    unique = "UNIQUE " if index_plan.unique else ""
    where = f" WHERE {index_plan.where}" if index_plan.where else ""
    return (
        f"CREATE {unique}INDEX {quote(index_plan.name)} ON {_table(plan)}"
        f" USING {index_plan.method} ({', '.join(terms)}){where}"
    )


def check(plan: TablePlan, check_plan: CheckPlan, *, not_valid: bool = True) -> str:
    """Add a CHECK; with `not_valid` it binds new rows at once and old ones when it is validated."""
    valid = " NOT VALID" if not_valid else ""
    return f"{_add_constraint(plan, check_plan.name)} CHECK ({check_plan.sql}){valid}"


def search_column(plan: TablePlan, search: SearchPlan) -> str:
    """Add the column that full-text search looks in."""
    return (
        f"ALTER TABLE {_table(plan)} ADD COLUMN {quote(search.column)} tsvector"
        f" GENERATED ALWAYS AS ({search.expression}) STORED"
    )


def search_index(plan: TablePlan, search: SearchPlan) -> str:
    """Index what full-text search looks in."""
    return f"CREATE INDEX {quote(search.index)} ON {_table(plan)} USING gin ({quote(search.column)})"


def foreign_key(plan: TablePlan, key: ForeignKeyPlan, *, not_valid: bool = True) -> str:
    """Add a foreign key; with `not_valid` it binds new rows at once and old ones when it is validated."""
    return (
        f"{_add_constraint(plan, key.name)} FOREIGN KEY ({quote_list(key.columns)})"
        f" REFERENCES {qualified(plan.schema, key.parent)} ({quote_list(key.parent_columns)})"
        f" ON UPDATE {key.on_update} ON DELETE {key.on_delete}"
        + (" DEFERRABLE" if key.deferrable else "")
        + (" INITIALLY DEFERRED" if key.deferrable and key.initially_deferred else "")
        + (" NOT VALID" if not_valid else "")
    )


def validate_constraint(plan: TablePlan, name: str) -> str:
    """Check the rows that were there before a constraint that is NOT VALID."""
    return f"ALTER TABLE {_table(plan)} VALIDATE CONSTRAINT {quote(name)}"


def drop_constraint(plan: TablePlan, name: str) -> str:
    """Drop a constraint."""
    return f"ALTER TABLE {_table(plan)} DROP CONSTRAINT {quote(name)}"


def set_aside_key(plan: TablePlan, key: SetAsideKey) -> tuple[str, ...]:
    """Add a foreign key that a table had before, NOT VALID, and its comment."""
    added = f"{_add_constraint(plan, key.name)} {key.definition} NOT VALID"
    if key.comment is None:
        return (added,)
    return added, f"COMMENT ON CONSTRAINT {quote(key.name)} ON {_table(plan)} IS {quote_text(key.comment)}"


def switch_trigger(plan: TablePlan, trigger: SetAsideTrigger, *, on: bool) -> str:
    """Let one trigger fire as it did before, or not at all."""
    how = ("ENABLE ALWAYS" if trigger.always else "ENABLE") if on else "DISABLE"
    return f"ALTER TABLE {_table(plan)} {how} TRIGGER {quote(trigger.name)}"


def identity(plan: TablePlan, column: TargetColumn) -> str | None:
    """Make a column an identity that a row may still bring its own value for, as SQLite's INTEGER PRIMARY KEY.

    None in a table that was there before: its column is an identity or serial already.
    """
    if not plan.creates:
        return None
    return f"ALTER TABLE {_table(plan)} ALTER COLUMN {quote(column.name)} ADD GENERATED BY DEFAULT AS IDENTITY"


def continue_identity(plan: TablePlan, column: TargetColumn) -> str:
    """Let an identity (or a serial column) go on after the highest id that is there or ever was.

    The sequence never goes back: one of a table that was there before may be ahead of its rows. At the end
    of bigint it stays there, so that the next insert says the sequence is used up.
    """
    owned = f"pg_get_serial_sequence({quote_text(_table(plan))}, {quote_text(column.name)})"
    sequence = owned if column.sequence is None else quote_text(column.sequence)
    floor = plan.identity_floor or 0
    return (
        f"SELECT setval({sequence}, GREATEST(highest, 1), highest >= 1) FROM (SELECT GREATEST("
        f"max({quote(column.name)}), {floor}, pg_sequence_last_value({sequence}::regclass)) AS highest"
        f" FROM {_table(plan)}) AS ids"
    )


def switch_triggers(plan: TablePlan, *, on: bool) -> str:
    """Let a table's own triggers (not those of foreign keys) fire or not, until the transaction says otherwise."""
    return f"ALTER TABLE {_table(plan)} {'ENABLE' if on else 'DISABLE'} TRIGGER USER"


def analyze(plans: Sequence[TablePlan]) -> str:
    """Tell PostgreSQL's planner what tables hold now."""
    return "ANALYZE " + ", ".join(_table(plan) for plan in plans)


def drop_tables(plans: Sequence[TablePlan]) -> str:
    """Drop tables in one statement, so that foreign keys among them do not stand in the way.

    Without CASCADE: what else depends on them is not ours to drop, and PostgreSQL names it.
    """
    return "DROP TABLE IF EXISTS " + ", ".join(_table(plan) for plan in plans)


def drop_views(schema: str, names: Sequence[str]) -> str:
    """Drop views in one statement, whichever of them reads another; without CASCADE, as tables."""
    return "DROP VIEW IF EXISTS " + ", ".join(qualified(schema, name) for name in names)


def move_table(plan: TablePlan, schema: str) -> str:
    """Move a table with its indexes, constraints and sequences into another schema."""
    return f"ALTER TABLE {_table(plan)} SET SCHEMA {quote(schema)}"


def drop_schema(schema: str) -> str:
    """Drop a schema that is empty."""
    return f"DROP SCHEMA {quote(schema)}"


def drop_schema_with_tables(schema: str) -> str:
    """Drop a schema with all that stands in it."""
    return f"DROP SCHEMA IF EXISTS {quote(schema)} CASCADE"


def drop_table(plan: TablePlan) -> str:
    """Drop one table."""
    return drop_tables((plan,))


def build_keys(plan: TablePlan) -> tuple[str, ...]:
    """All that is built on one table after its rows are there: primary key, unique keys, indexes."""
    primary = primary_key(plan)
    return (
        *(() if primary is None else (primary,)),
        *(unique_key(plan, key) for key in plan.unique_keys),
        *(index(plan, each) for each in plan.indexes),
    )


def build_search(plan: TablePlan) -> tuple[str, ...]:
    """The columns and indexes of full-text search on one table."""
    return tuple(sql for search in plan.search for sql in (search_column(plan, search), search_index(plan, search)))


def whole_schema(plan: SchemaPlan) -> str:
    """Render the schema as one script for psql; what is not exact stands at its end as comments."""
    created = [table for table in plan.tables if table.creates]
    schemas = sorted({table.schema for table in created} - {"public"})
    statements = [
        "SET client_encoding = 'UTF8'",
        "SET standard_conforming_strings = on",
        *(create_schema(schema) for schema in schemas),
        *objects(plan.objects, BuildPhase.BEFORE),
        *(create_table(table) for table in created),
        *(statement for table in created for statement in build_keys(table)),
        *(check(table, each, not_valid=False) for table in created for each in table.checks),
        *(statement for table in created for statement in build_search(table)),
        *(foreign_key(table, key, not_valid=False) for table in created for key in table.foreign_keys),
        *identities(created),
        *objects(plan.objects, BuildPhase.AFTER),
    ]
    return "".join(statement + ";\n" for statement in statements) + "".join(_not_exact(plan.grades))


def objects(plans: Iterable[ObjectPlan], phase: BuildPhase) -> tuple[str, ...]:
    """What makes the objects of one phase that belong to no single table."""
    return tuple(statement for each in plans if each.phase is phase for statement in each.statements)


def identities(plans: Iterable[TablePlan]) -> tuple[str, ...]:
    """All columns that have to become identities."""
    found = (identity(plan, column) for plan in plans for column in plan.columns if column.identity)
    return tuple(statement for statement in found if statement is not None)


def _not_exact(grades: Iterable[ObjectGrade]) -> Iterable[str]:
    for grade in grades:
        if grade.grade is not Grade.EXACT:
            how = "not translated" if grade.grade is Grade.REFUSED else "approximated"
            place = f" of {grade.table}" if grade.table else ""
            text = f"{how}: {grade.kind} {grade.name}{place}: {grade.reason}"
            yield "\n" + "".join(f"-- {line}\n" for line in text.replace("\0", "").splitlines())


def table_name(plan: TablePlan) -> str:
    """The table's name as SQL and ``to_regclass`` read it."""
    return _table(plan)


def _table(plan: TablePlan) -> str:
    return qualified(plan.schema, plan.name)


def _column(column: TargetColumn) -> str:
    default = "" if column.default is None else f" DEFAULT {column.default}"
    collation = "" if column.collation is None else f" COLLATE {column.collation}"
    return f"{quote(column.name)} {column.type.sql}{collation}{default}{_generated(column)}{_not_null(column)}"


def _generated(column: TargetColumn) -> str:
    if column.generated is None:
        return ""
    return f" GENERATED ALWAYS AS ({column.generated.sql}) {'STORED' if column.generated.stored else 'VIRTUAL'}"


def _not_null(column: TargetColumn) -> str:
    return " NOT NULL" if column.not_null else ""


def _add_constraint(plan: TablePlan, name: str) -> str:
    return f"ALTER TABLE {_table(plan)} ADD CONSTRAINT {quote(name)}"
