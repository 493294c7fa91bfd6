"""SELECT RAISE(…) of a trigger's body as PL/pgSQL: an error, or a row that is passed by."""

from __future__ import annotations

from typing import Any, Final

from sqlglot import exp

from shared.quoting import quote_text
from shared.schema.dialect.function_table import ALL_FUNCTIONS
from shared.schema.dialect.scope import UntranslatableError
from shared.schema.names import fold
from shared.schema.queries.frames import Frame, resolve
from shared.schema.queries.outputs import bare
from shared.schema.triggers.scope import TriggerScope

_DOUBTS: Final = {
    "ABORT": "an error ends the whole transaction in PostgreSQL, where ABORT takes back the statement alone",
    "FAIL": "an error takes everything back in PostgreSQL, where FAIL keeps the rows that were changed before it",
    "ROLLBACK": "",
}
_WITHOUT_EFFECT: Final = frozenset({"raise", *(each.name for each in ALL_FUNCTIONS)})
"""What a SELECT may call whose result nobody sees; RAISE is looked at by itself."""


def is_raise(node: Any) -> bool:
    """Whether an expression is a call of RAISE."""
    return isinstance(node, exp.Anonymous) and fold(node.name) == "raise"


def translate_select(node: Any, scope: TriggerScope, leave: str) -> str:
    """Translate a SELECT of a body: its RAISEs; without one it does nothing. `leave` ends the function early.

    Raises:
        UntranslatableError: for a RAISE in a place where it is not clear when it is reached, and for a function of the
            application's, which is called for what it does.
    """
    calls = list(node.find_all(exp.Anonymous))
    strange = [each.name for each in calls if fold(each.name) not in _WITHOUT_EFFECT]
    if strange:
        msg = f"it calls {strange[0]}(), a function that the application gives SQLite, for what that does"
        raise UntranslatableError(msg)
    raises = [each for each in calls if is_raise(each)]
    if not raises:
        return ""
    if not isinstance(node, exp.Select) or len(node.expressions) != 1:
        msg = "it has a RAISE among other results"
        raise UntranslatableError(msg)
    clauses = {name for name, value in node.args.items() if value} - {"expressions"}
    if clauses - {"where", "from_", "joins", "limit"}:
        msg = "it has a RAISE in a SELECT with more than FROM and WHERE"
        raise UntranslatableError(msg)
    result = bare(node.expressions[0].unalias())
    branches = _branches(result)
    if sum(is_raise(action) for _, action in branches) != len(raises):
        msg = "it has a RAISE within an expression"
        raise UntranslatableError(msg)
    if node.args.get("from_") is not None:
        return _for_rows(node, branches, scope, leave)
    return _alone(node, branches, scope, leave)


def _branches(result: Any) -> list[tuple[Any, Any]]:
    """What is done under which condition, in order; None: in any case."""
    if is_raise(result):
        return [(None, result)]
    if not isinstance(result, exp.Case):
        return []
    subject = result.this
    branches = [
        (each.this if subject is None else exp.EQ(this=subject.copy(), expression=each.this), bare(each.args["true"]))
        for each in result.args["ifs"]
    ]
    default = result.args.get("default")
    return [*branches, *([(None, bare(default))] if default is not None else [])]


def _alone(node: Any, branches: list[tuple[Any, Any]], scope: TriggerScope, leave: str) -> str:
    frame = Frame(outer=scope.frame)
    steps = _steps(branches, frame, scope, leave)
    where = node.args.get("where")
    if where is None:
        return steps
    condition = scope.query.condition(resolve(where.this, frame), frame).sql
    return f"IF {condition} THEN\n{steps}\nEND IF;"


def _steps(branches: list[tuple[Any, Any]], frame: Frame, scope: TriggerScope, leave: str) -> str:
    if branches[0][0] is None:
        return _action(branches[0][1], scope, leave)
    lines = []
    for condition, action in branches:
        if condition is None:
            lines.append("ELSE")
        else:
            word = "ELSIF" if lines else "IF"
            lines.append(f"{word} {scope.query.condition(resolve(condition, frame), frame).sql} THEN")
        lines.append(_action(action, scope, leave))
    return "\n".join([*lines, "END IF;"])


def _for_rows(node: Any, branches: list[tuple[Any, Any]], scope: TriggerScope, leave: str) -> str:
    """With FROM it is raised where any row is found that meets the conditions."""
    if len(branches) != 1:
        msg = "it has a CASE of several branches with RAISE over the rows of FROM"
        raise UntranslatableError(msg)
    ((condition, action),) = branches
    rows = exp.Select(
        expressions=[exp.Literal.number(1)],
        from_=node.args["from_"].copy(),
        joins=[join.copy() for join in node.args.get("joins") or ()],
    )
    where = node.args.get("where")
    parts = [each for each in (where.this if where is not None else None, condition) if each is not None]
    for part in parts:
        rows = rows.where(exp.Paren(this=part.copy()), copy=False)
    found = scope.query.translate(rows, scope.frame).sql
    return f"IF EXISTS ({found}) THEN\n{_action(action, scope, leave)}\nEND IF;"


def _action(node: Any, scope: TriggerScope, leave: str) -> str:
    if not is_raise(node):
        return "NULL;"
    word = node.expressions[0].name.upper()
    if word == "IGNORE":
        return leave
    if word not in _DOUBTS or len(node.expressions) != 2:
        msg = f"{node.sql(dialect='sqlite')} has no translation"
        raise UntranslatableError(msg)
    if _DOUBTS[word]:
        scope.notes.doubt(_DOUBTS[word])
    return f"RAISE EXCEPTION USING MESSAGE = {_message(node.expressions[1], scope)};"


def _message(node: Any, scope: TriggerScope) -> str:
    if isinstance(node, exp.Literal) and node.is_string:
        return quote_text(node.name)
    if isinstance(node, exp.Column) and not node.table:
        # A word in double quotes is a text there.
        return quote_text(node.name)
    frame = Frame(outer=scope.frame)
    return f"({scope.query.value(resolve(node, frame), frame).sql})::text"
