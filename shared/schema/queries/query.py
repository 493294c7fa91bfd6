"""SELECT statements of SQLite in PostgreSQL's terms, every column resolved, every result named and typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from shared.records.plan import TargetType
from shared.schema.dialect.expressions import translate_condition, translate_expression
from shared.schema.dialect.parsing import parse_sqlite_statement
from shared.schema.dialect.scope import Named, Scope, Translated, UntranslatableError
from shared.schema.names import Names
from shared.schema.queries.arm_types import common_type
from shared.schema.queries.frames import Frame, resolve
from shared.schema.queries.readable import Find, Notes, Readable, Setting
from shared.schema.queries.rendered import Rendered, spelled_out
from shared.schema.queries.select_core import Core
from shared.schema.queries.set_operations import set_operation
from shared.schema.queries.with_tables import with_query


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslatedSelect:
    """A SELECT in PostgreSQL's terms."""

    sql: str
    columns: tuple[Named, ...]
    doubts: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """Target names of the job's tables that it reads."""
    reads: tuple[str, ...] = ()
    """The tables and views that it reads, by folded source name."""


def translate_select(
    sql: Any, find: Find, *, outer: Frame | None = None, preserve: bool = False, notes: Notes | None = None
) -> TranslatedSelect:
    """Translate a SELECT (or VALUES, or a set operation), given as text or parsed.

    `outer` is what it sees besides its own FROM (NEW and OLD of a trigger); `preserve` keeps the case of names.

    Raises:
        UntranslatableError: with a clause that says what has no translation, and why.
    """
    notes = notes or Notes(names=Names(taken=("new", "old", "excluded")))
    node = parse_sqlite_statement(sql) if isinstance(sql, str) else sql
    query = Query(Setting(find=find, notes=notes, preserve=preserve)).translate(node, outer)
    return TranslatedSelect(
        sql=query.sql,
        columns=query.columns,
        doubts=tuple(notes.doubts),
        needs=tuple(notes.needs),
        reads=tuple(notes.reads),
    )


class Query:
    """The translation of one statement's SELECTs."""

    def __init__(self, setting: Setting) -> None:
        """Translate within `setting`; what is found out goes to its notes."""
        self._setting = setting

    def translate(self, node: Any, outer: Frame | None, wanted: Sequence[TargetType] | None = None) -> Rendered:
        """Translate a SELECT, VALUES or set operation, its columns of the `wanted` types."""
        while isinstance(node, exp.Subquery) and not node.alias:
            node = node.this
        if node.args.get("with_") is not None:
            return with_query(self, node, outer, wanted)
        if isinstance(node, exp.SetOperation):
            return set_operation(self, node, outer, wanted)
        if isinstance(node, exp.Values):
            return self._values(node, outer, wanted)
        if isinstance(node, exp.Select):
            rows = _only_values(node)
            return self._values(rows, outer, wanted) if rows is not None else Core(self, node, outer).render(wanted)
        msg = f"{node.key.upper()} has no translation"
        raise UntranslatableError(msg)

    @property
    def setting(self) -> Setting:
        """What it may read, and where notes go."""
        return self._setting

    def knowing(self, with_tables: Mapping[str, Readable]) -> Query:
        """The same with these tables of WITH."""
        return Query(replace(self._setting, with_tables=with_tables))

    def value(self, node: Any, frame: Frame, wanted: TargetType | None = None) -> Translated:
        """Translate an expression whose columns are resolved."""
        translated = translate_expression(node, frame.scope, wanted=wanted, subquery=self._subqueries(frame))
        self._setting.notes.doubt(*translated.doubts)
        return _in_parentheses(translated)

    def condition(self, node: Any, frame: Frame) -> Translated:
        """Translate a condition whose columns are resolved."""
        translated = translate_condition(node, frame.scope, subquery=self._subqueries(frame))
        self._setting.notes.doubt(*translated.doubts)
        return _in_parentheses(translated)

    def typed(self, nodes: Sequence[Any], types: Sequence[TargetType], frame: Frame) -> list[str]:
        """Translate resolved expressions, each brought to a type as a column of it would store it."""
        if len(nodes) != len(types):
            msg = f"there are {len(nodes)} values for {len(types)} columns"
            raise UntranslatableError(msg)
        values = [self.value(node, frame, kind) for node, kind in zip(nodes, types, strict=True)]
        return [spelled_out(value, kind) for value, kind in zip(values, types, strict=True)]

    def _subqueries(self, frame: Frame) -> Any:
        def subquery(node: Any, scope: Scope) -> Translated:
            del scope  # the frame knows more
            rendered = self.translate(node, frame)
            kind = rendered.columns[0].type if rendered.columns else None
            return Translated(sql=rendered.sql, type=kind, immutable=False)

        return subquery

    def nested(self, node: Any, outer: Frame | None) -> Readable:
        """Translate a SELECT that stands in FROM."""
        rendered = self.translate(node, outer)
        return Readable(target=f"({rendered.sql})", columns=rendered.columns)

    def _values(self, node: Any, outer: Frame | None, wanted: Sequence[TargetType] | None) -> Rendered:
        frame = Frame(outer=outer)
        rows = [[resolve(each, frame) for each in _fields(row)] for row in node.expressions]
        if len({len(row) for row in rows}) != 1:
            msg = "the rows of VALUES have different numbers of columns"
            raise UntranslatableError(msg)
        translated = [[self.value(each, frame) for each in row] for row in rows]
        types = wanted or self.common([[each.type for each in row] for row in translated])
        lines = ", ".join("(" + ", ".join(self.typed(row, types, frame)) + ")" for row in rows)
        columns = tuple(_named(f"column{number}", kind) for number, kind in enumerate(types, start=1))
        nulls = tuple(all(row[place].type is None for row in translated) for place in range(len(types)))
        return Rendered(sql=f"VALUES {lines}", columns=columns, nulls=nulls)

    def common(self, rows: Sequence[Sequence[TargetType | None]]) -> list[TargetType]:
        """The one type that each column of several SELECTs gets."""
        types = []
        for column in zip(*rows, strict=True):
            kind, doubt = common_type(column)
            types.append(kind)
            self._setting.notes.doubt(*([doubt] if doubt else []))
        return types


def _in_parentheses(translated: Translated) -> Translated:
    """A subquery alone is no expression without its parentheses."""
    bare_query = translated.sql.startswith(("SELECT ", "WITH ", "VALUES "))
    return replace(translated, sql=f"({translated.sql})") if bare_query else translated


def _only_values(select: Any) -> Any:
    """The VALUES that the parser made ``SELECT * FROM (VALUES …)`` of, or None."""
    clause = select.args.get("from_")
    if clause is None or not isinstance(clause.this, exp.Values) or clause.this.alias != "_values":
        return None
    return clause.this if select.is_star and not select.args.get("joins") else None


def _fields(row: Any) -> list[Any]:
    return list(row.expressions) if isinstance(row, exp.Tuple) else [row]


def _named(name: str, kind: TargetType) -> Named:
    return Named(source=name, name=name, type=kind)
