"""Triggers in PostgreSQL's terms: those that set a changed-at column, those that keep a search in step, and others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlglot import exp

from shared.quoting import qualified
from shared.records.plan import BuildPhase, Grade, GradedAs, ObjectGrade, ObjectPlan
from shared.records.source import ObjectKind, SourceObject
from shared.schema.dialect.parsing import parse_sqlite_expression, parse_sqlite_statement
from shared.schema.dialect.scope import UntranslatableError
from shared.schema.foreign_keys import Neighbour
from shared.schema.names import Names, fold
from shared.schema.queries.frames import resolve
from shared.schema.queries.readable import Readable
from shared.schema.readables import find_table
from shared.schema.triggers.bodies import MadeTrigger, body_function, trigger_statements
from shared.schema.triggers.changed_at import FUNCTION, changed_at_function, stamps_of
from shared.schema.triggers.firing import Firing, fires_itself
from shared.schema.triggers.scope import TriggerScope, scope_of
from shared.schema.triggers.source import Event, Timing, TriggerSource, read_trigger
from shared.schema.triggers.writes import written_table
from shared.schema.world import PlannedObjects, World, by_hand, refused


def plan_triggers(triggers: Sequence[SourceObject], world: World) -> PlannedObjects:
    """Plan triggers; those that cannot be translated are refused by name."""
    planner = _Planner(triggers, world)
    for trigger in triggers:
        planner.plan(trigger)
    return PlannedObjects(objects=tuple(planner.objects), grades=tuple(planner.grades))


_RAISE_ROLLBACK: Final = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\b(RAISE\s*\(\s*)ROLLBACK\b""", re.IGNORECASE)
"""Texts are passed by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A trigger, read and parsed."""

    source: TriggerSource
    statements: list[Any]


class _Planner:
    def __init__(self, triggers: Sequence[SourceObject], world: World) -> None:
        self._world = world
        self._read: dict[str, _Read | str] = {each.name: _read(each) for each in triggers}
        self._firings = [
            Firing.of(name, read.source, read.statements)
            for name, read in self._read.items()
            if isinstance(read, _Read)
        ]
        self._functions = Names(taken=(FUNCTION,), preserve=world.options.preserve_identifiers)
        self._names: dict[str, Names] = {}
        self._has_changed_at = False
        self.objects: list[ObjectPlan] = []
        self.grades: list[ObjectGrade] = []

    def plan(self, trigger: SourceObject) -> None:
        """Plan one trigger."""
        read = self._read[trigger.name]
        reason = read if isinstance(read, str) else self._obstacle(trigger, read)
        if reason:
            self.grades.append(refused(trigger, f"{reason}; {by_hand(trigger)}"))

    def _obstacle(self, trigger: SourceObject, read: _Read) -> str:
        """Plan a trigger, or say why it has no translation."""
        try:
            self._plan(trigger, read)
        except UntranslatableError as error:
            return str(error)
        except RecursionError:
            return "it nests too deeply"
        return ""

    def _plan(self, trigger: SourceObject, read: _Read) -> None:
        search = self._search_kept(read)
        if search:
            self._grade(trigger, Grade.EXACT, f"no trigger is needed: {search}")
            return
        scope = scope_of(read.source, self._world, self._find)
        if not self._as_changed_at(trigger, read, scope):
            self._as_function(trigger, read, scope_of(read.source, self._world, self._find))

    def _find(self, name: str) -> Readable:
        return self._world.views.get(fold(name)) or find_table(name, self._world)

    def _search_kept(self, read: _Read) -> str:
        """Why a trigger has nothing to do in the target: it writes searches alone that keep themselves there."""
        tables = {written_table(statement) for statement in read.statements}
        searches = {
            fold(each.name): each.virtual
            for each in self._world.catalog.objects
            if each.virtual is not None and each.virtual.module.is_search and each.virtual.content_table
        }
        if not tables or not all(table in searches for table in tables):
            return ""
        if not all(fold(searches[table].content_table or "") == fold(read.source.table) for table in tables):
            return ""
        if not tables <= self._world.searched:
            names = ", ".join(sorted(tables))
            msg = f"it keeps the full-text search {names} in step, which is not in the target"
            raise UntranslatableError(msg)
        return f"PostgreSQL keeps the generated tsvector column of {read.source.table} itself"

    # Changed-at -----------------------------------------------------------------------------------------------

    def _as_changed_at(self, trigger: SourceObject, read: _Read, scope: TriggerScope) -> bool:
        source = read.source
        neighbour = self._world.neighbours.get(fold(source.table))
        arguments = stamps_of(source, read.statements, neighbour)
        if arguments is None or neighbour is None:
            return False
        try:
            when = self._when(source, scope)
        except UntranslatableError:
            return False  # a function can ask what a trigger's WHEN cannot
        columns = self._columns(source, scope)
        made = self._made(trigger, read, qualified(self._world.schema, FUNCTION))
        others = self._others_fired(trigger, source)
        if source.event is Event.INSERT:
            also = self._also_stamped(others, read, neighbour)
            arguments = (*arguments, *(argument for each in also.values() for argument in each))
            others = [name for name in others if name not in also]
        statements = trigger_statements(
            made, Timing.BEFORE, source.event, columns=columns, when=when, arguments=arguments
        )
        if not self._has_changed_at:
            self._has_changed_at = True
            self.objects.append(
                ObjectPlan(name=FUNCTION, phase=BuildPhase.AFTER, statements=(changed_at_function(made.function),))
            )
        doubts = (_changed_at_doubt(source, others), *scope.notes.doubts)
        self._add(trigger, made.name, statements, scope, doubts)
        return True

    def _others_fired(self, trigger: SourceObject, source: TriggerSource) -> list[str]:
        return [
            each.name
            for each in self._firings
            if each.table == fold(source.table) and each.event is Event.UPDATE and each.name != trigger.name
        ]

    def _also_stamped(self, names: Sequence[str], read: _Read, neighbour: Neighbour) -> dict[str, tuple[str, ...]]:
        """What the UPDATE of an insert's stamp makes other triggers stamp in SQLite, by trigger."""
        changed = {fold(column.name) for each in read.statements for column in each.find_all(exp.Column)}
        found = {}
        for name in names:
            other = self._read[name]
            if isinstance(other, str) or other.source.when or other.source.timing is not Timing.AFTER:
                continue
            arguments = stamps_of(other.source, other.statements, neighbour)
            fires = not other.source.columns or changed & {fold(column) for column in other.source.columns}
            if arguments is not None and fires:
                found[name] = arguments
        return found

    def _when(self, source: TriggerSource, scope: TriggerScope) -> str:
        if not source.when:
            return ""
        node = parse_sqlite_expression(source.when)
        if node.find(exp.Query) is not None:
            msg = "its WHEN has a subquery"
            raise UntranslatableError(msg)
        return scope.query.condition(resolve(node, scope.frame), scope.frame).sql

    # Functions of their own -----------------------------------------------------------------------------------

    def _as_function(self, trigger: SourceObject, read: _Read, scope: TriggerScope) -> None:
        source = read.source
        if source.timing is Timing.INSTEAD_OF and source.columns:
            msg = "PostgreSQL has no INSTEAD OF UPDATE OF columns"
            raise UntranslatableError(msg)
        columns = self._columns(source, scope)
        guarded = fires_itself(trigger.name, self._firings)
        name = self._functions.give(trigger.name).name
        made = self._made(trigger, read, qualified(self._world.schema, name))
        body = body_function(read.statements, scope, made.function, guarded=guarded)
        statements = (body, *trigger_statements(made, source.timing, source.event, columns=columns))
        self._add(
            trigger, made.name, statements, scope, (*_doubts(source, scope, guarded=guarded), *scope.notes.doubts)
        )

    def _columns(self, source: TriggerSource, scope: TriggerScope) -> tuple[str, ...]:
        row = scope.frame.items[0]
        columns = []
        for column in source.columns:
            found = row.relation.find(column)
            if found is None:
                msg = f"it is on UPDATE OF {column}, which is not part of this job"
                raise UntranslatableError(msg)
            columns.append(found.name)
        return tuple(columns)

    def _made(self, trigger: SourceObject, read: _Read, function: str) -> MadeTrigger:
        table = fold(read.source.table)
        preserve = self._world.options.preserve_identifiers
        names = self._names.setdefault(table, Names(preserve=preserve))
        return MadeTrigger(
            name=names.give(trigger.name).name,
            on=self._find(read.source.table).target,
            function=function,
            version=self._world.abilities.version,
        )

    def _add(
        self, trigger: SourceObject, name: str, statements: tuple[str, ...], scope: TriggerScope, doubts: Sequence[str]
    ) -> None:
        doubt = "; ".join(each for each in dict.fromkeys(doubts) if each)
        self._grade(trigger, Grade.APPROXIMATED if doubt else Grade.EXACT, doubt)
        self.objects.append(
            ObjectPlan(
                name=name,
                phase=BuildPhase.AFTER,
                statements=statements,
                needs=tuple(scope.notes.needs),
                table=trigger.table,
                graded_as=GradedAs(kind=ObjectKind.TRIGGER, name=trigger.name, doubt=doubt),
            )
        )

    def _grade(self, trigger: SourceObject, grade: Grade, reason: str) -> None:
        self.grades.append(
            ObjectGrade(kind=trigger.kind, name=trigger.name, table=trigger.table, grade=grade, reason=reason)
        )


def _read(trigger: SourceObject) -> _Read | str:
    """Read a trigger, or say why it cannot be read."""
    try:
        source = read_trigger(trigger.sql)
        return _Read(source=source, statements=[parse_sqlite_statement(_rewritten(each)) for each in source.statements])
    except UntranslatableError as error:
        return str(error)


def _rewritten(statement: str) -> str:
    """Write in other words what the parser does not read: REPLACE INTO, and ROLLBACK as an argument of RAISE."""
    stripped = statement.lstrip()
    whole = f"INSERT OR REPLACE{stripped[7:]}" if re.match(r"REPLACE\s", stripped, re.IGNORECASE) else statement
    return _RAISE_ROLLBACK.sub(lambda found: f"{found[1]}'ROLLBACK'" if found[1] else found[0], whole)


def _changed_at_doubt(source: TriggerSource, others: Sequence[str]) -> str:
    if source.timing is Timing.BEFORE:
        return "it sets the moment also where the statement itself gives another"
    again = f", which fires {', '.join(others)} in SQLite" if others else ""
    return f"it sets the moment before the row is written, not by an UPDATE of its own afterwards{again}"


def _doubts(source: TriggerSource, scope: TriggerScope, *, guarded: bool) -> list[str]:
    doubts = []
    if guarded:
        doubts.append("it never fires itself, as in SQLite unless PRAGMA recursive_triggers is on")
    if source.timing is Timing.AFTER and fold(source.table) in scope.notes.reads:
        doubts.append(
            f"it reads {source.table} once the statement has changed all its rows, where SQLite fires after each row"
        )
    return doubts
