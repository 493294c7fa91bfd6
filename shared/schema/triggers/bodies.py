"""A trigger's body as a PL/pgSQL function, and the trigger that calls it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from sqlglot import exp

from shared.quoting import quote, quote_text
from shared.schema.dialect.parsing import parse_sqlite_expression
from shared.schema.dialect.scope import UntranslatableError
from shared.schema.names import fold
from shared.schema.queries.frames import resolve
from shared.schema.triggers.raises import translate_select
from shared.schema.triggers.scope import TriggerScope
from shared.schema.triggers.source import Event, Timing, TriggerSource
from shared.schema.triggers.writes import translate_write, written_table

_TRIGGERS_REPLACED: Final = 140000
"""The first version with CREATE OR REPLACE TRIGGER."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeTrigger:
    """What a trigger goes by in the target."""

    name: str
    on: str
    """Its table or view, quoted and qualified."""
    function: str
    """Quoted and qualified."""
    version: int
    """The server's, as server_version_num."""


def body_function(statements: list[Any], scope: TriggerScope, function: str, *, guarded: bool) -> str:
    """Translate a body into the statement that makes its function.

    `guarded` keeps it from firing itself, which SQLite does not do unless PRAGMA recursive_triggers is on.

    Raises:
        UntranslatableError: with a clause that says what has no translation, and why.
    """
    guard = f"pgconvoy.firing_{hashlib.sha256(function.encode()).hexdigest()[:16]}" if guarded else ""
    steps = [_step(statement, scope, _leave(scope.trigger, guard, ignore=True)) for statement in statements]
    lines = [
        *_guard_lines(scope.trigger, guard),
        *_when_lines(scope),
        *([f"PERFORM set_config({quote_text(guard)}, 'yes', true);"] if guard else []),
        *(step for step in steps if step),
        _leave(scope.trigger, guard),
    ]
    return function_statement(function, "\n".join(lines))


def function_statement(function: str, body: str, declared: str = "") -> str:
    """Make a trigger's function of a PL/pgSQL body; it finds operators and functions as whoever makes it does.

    PL/pgSQL looks them up when it runs: for a session that does not see citext's, citext compared as text does.
    """
    text = f"#variable_conflict use_column\n{declared}BEGIN\n{body}\nEND"
    tag, number = "$body$", 0
    while tag in text:
        number += 1
        tag = f"$body{number}$"
    head = f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT"
    return f"{head} AS {tag}\n{text}\n{tag}"


def trigger_statements(
    made: MadeTrigger,
    timing: Timing,
    event: Event,
    *,
    columns: tuple[str, ...] = (),
    when: str = "",
    arguments: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """Make a trigger, or make it again."""
    listed = f" OF {', '.join(quote(column) for column in columns)}" if columns else ""
    condition = f" WHEN ({when})" if when else ""
    call = f"{made.function}({', '.join(quote_text(argument) for argument in arguments)})"
    fires = f"{timing} {event}{listed} ON {made.on} FOR EACH ROW{condition}"
    rest = f"TRIGGER {quote(made.name)} {fires} EXECUTE FUNCTION {call}"
    if made.version >= _TRIGGERS_REPLACED:
        return (f"CREATE OR REPLACE {rest}",)
    return (f"DROP TRIGGER IF EXISTS {quote(made.name)} ON {made.on}", f"CREATE {rest}")


def _guard_lines(trigger: TriggerSource, guard: str) -> list[str]:
    if not guard:
        return []
    asked = f"current_setting({quote_text(guard)}, true) = 'yes'"
    return [f"IF {asked} THEN\nRETURN {_row(trigger)};\nEND IF;"]


def _when_lines(scope: TriggerScope) -> list[str]:
    conditions = []
    if scope.trigger.when:
        node = resolve(parse_sqlite_expression(scope.trigger.when), scope.frame)
        conditions.append(scope.query.condition(node, scope.frame).sql)
    return [f"IF ({each}) IS NOT TRUE THEN\nRETURN {_row(scope.trigger)};\nEND IF;" for each in conditions]


def _leave(trigger: TriggerSource, guard: str, *, ignore: bool = False) -> str:
    reset = f"PERFORM set_config({quote_text(guard)}, '', true);\n" if guard else ""
    return f"{reset}RETURN {'NULL' if ignore else _row(trigger)};"


def _row(trigger: TriggerSource) -> str:
    """What lets the change go on."""
    if trigger.timing is Timing.AFTER:
        return "NULL"
    return "OLD" if trigger.event is Event.DELETE else "NEW"


def _step(statement: Any, scope: TriggerScope, leave: str) -> str:
    if isinstance(statement, exp.Select | exp.SetOperation):
        return translate_select(statement, scope, leave)
    _refuse_own_table(statement, scope.trigger)
    return f"{translate_write(statement, scope)};"


def _refuse_own_table(statement: Any, trigger: TriggerSource) -> None:
    own = written_table(statement) == fold(trigger.table)
    if own and trigger.timing is Timing.BEFORE and trigger.event is not Event.INSERT:
        msg = f"it changes {trigger.table} before a row of it is changed, which PostgreSQL refuses for that row"
        raise UntranslatableError(msg)
