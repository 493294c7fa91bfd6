"""How CREATE TRIGGER statements are read, and which of their moments the one function knows."""

from __future__ import annotations

import pytest

from shared.records.plan import TypeKind
from shared.schema.clock_forms import JULIAN, MILLISECONDS, SECONDS, form_of
from shared.schema.dialect.parsing import parse_sqlite_expression
from shared.schema.dialect.scope import UntranslatableError
from shared.schema.triggers.bodies import MadeTrigger, function_statement, trigger_statements
from shared.schema.triggers.source import Event, Timing, read_trigger


def test_every_part_is_read() -> None:
    """Timing, event, columns, table, condition and statements are found, whatever stands around them."""
    read = read_trigger(
        "CREATE TRIGGER IF NOT EXISTS main.\"a b\" AFTER UPDATE OF x, [y z] ON 'the table' FOR EACH ROW\n"
        "WHEN NEW.a = CASE WHEN 1 THEN 2 END -- BEGIN\n"
        "BEGIN\n UPDATE t SET a = CASE WHEN 1 THEN '; END' END; /* ; */ DELETE FROM t; END;"
    )
    assert (read.timing, read.event, read.table) == (Timing.AFTER, Event.UPDATE, "the table")
    assert read.columns == ("x", "y z")
    assert read.when == "NEW.a = CASE WHEN 1 THEN 2 END"
    assert read.statements == ("UPDATE t SET a = CASE WHEN 1 THEN '; END' END", "DELETE FROM t")


@pytest.mark.parametrize(
    ("header", "timing", "event"),
    [
        ("INSERT", Timing.BEFORE, Event.INSERT),
        ("before delete", Timing.BEFORE, Event.DELETE),
        ("AFTER INSERT", Timing.AFTER, Event.INSERT),
        ("INSTEAD OF UPDATE", Timing.INSTEAD_OF, Event.UPDATE),
    ],
)
def test_without_a_word_it_is_before(header: str, timing: Timing, event: Event) -> None:
    """A trigger that does not say when fires before."""
    read = read_trigger(f"CREATE TEMP TRIGGER x {header} ON t BEGIN SELECT 1; END")
    assert (read.timing, read.event, read.columns, read.when) == (timing, event, (), "")


@pytest.mark.parametrize("sql", ["", "CREATE TRIGGER", "CREATE TRIGGER x AFTER INSERT ON t", "CREATE TRIGGER x '"])
def test_what_is_no_trigger_is_refused(sql: str) -> None:
    """What cannot be read is said to be unreadable, not taken for an empty body."""
    with pytest.raises(UntranslatableError, match="cannot be read"):
        read_trigger(sql)


@pytest.mark.parametrize(
    ("sql", "kind", "form"),
    [
        ("CURRENT_TIMESTAMP", TypeKind.TEXT, "YYYY-MM-DD HH24:MI:SS"),
        ("(datetime('NOW'))", TypeKind.TIMESTAMP, "YYYY-MM-DD HH24:MI:SS"),
        ("datetime()", TypeKind.TIMESTAMPTZ, 'YYYY-MM-DD HH24:MI:SS"Z"'),
        ("CURRENT_DATE", TypeKind.DATE, "YYYY-MM-DD"),
        ("strftime('%Y-%m-%dT%H:%M:%fZ', 'now')", TypeKind.TEXT, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        ("strftime('%Y-%m-%dT%H:%M:%fZ', 'now')", TypeKind.TIMESTAMPTZ, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        ("strftime('%s', 'now')", TypeKind.BIGINT, SECONDS),
        ("unixepoch('now')", TypeKind.TIMESTAMP, "YYYY-MM-DD HH24:MI:SS"),
        ("CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)", TypeKind.BIGINT, MILLISECONDS),
        ("strftime('%s', 'now') * 1000", TypeKind.BIGINT, MILLISECONDS),
        ("julianday('now')", TypeKind.DOUBLE, JULIAN),
        ("datetime('now', 'localtime')", TypeKind.TEXT, None),
        ("datetime('now', '+1 day')", TypeKind.TEXT, None),
        ("datetime(NEW.x)", TypeKind.TEXT, None),
        ("strftime('%w', 'now')", TypeKind.TEXT, None),
        ("julianday('now')", TypeKind.BIGINT, None),
        ("CURRENT_TIMESTAMP", TypeKind.BIGINT, None),
        ("date('now') || 'x'", TypeKind.TEXT, None),
    ],
)
def test_forms_of_the_moment(sql: str, kind: TypeKind, form: str | None) -> None:
    """An expression is the current moment in a form that the column holds, or it is not taken for one."""
    assert form_of(parse_sqlite_expression(sql), kind) == form


def test_older_servers_drop_first() -> None:
    """Before version 14 there is no CREATE OR REPLACE TRIGGER."""
    made = MadeTrigger(name='a"b', on='"s"."t"', function='"s"."f"', version=130000)
    assert trigger_statements(made, Timing.AFTER, Event.UPDATE, columns=("c",), when="NEW.x", arguments=("it's",)) == (
        'DROP TRIGGER IF EXISTS "a""b" ON "s"."t"',
        (
            'CREATE TRIGGER "a""b" AFTER UPDATE OF "c" ON "s"."t" FOR EACH ROW WHEN (NEW.x)'
            " EXECUTE FUNCTION \"s\".\"f\"('it''s')"
        ),
    )


def test_quoting_ends_where_the_body_ends() -> None:
    """A body that holds the mark of its own quotation gets another mark."""
    made = function_statement('"f"', "RETURN '$body$ $body1$';")
    assert made.endswith("\n$body2$")
    assert made.count("$body2$") == 2


def test_a_function_finds_what_its_maker_finds() -> None:
    """Its operators do not depend on the search_path of the session that fires it."""
    head, _, _ = function_statement('"f"', "RETURN NEW;").partition(" AS $body$")
    assert head.endswith(" SET search_path FROM CURRENT")
