"""Views in PostgreSQL's terms, each after those that it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlglot import exp

from shared.quoting import qualified, quote
from shared.records.plan import BuildPhase, Grade, GradedAs, ObjectGrade, ObjectPlan
from shared.records.source import ObjectKind, SourceObject
from shared.schema.dialect.parsing import parse_sqlite_statement
from shared.schema.dialect.scope import Named, UntranslatableError
from shared.schema.names import GivenName, Names, fold
from shared.schema.queries.query import TranslatedSelect, translate_select
from shared.schema.queries.readable import Readable
from shared.schema.readables import find_table
from shared.schema.view_columns import ViewColumns, ask_columns
from shared.schema.world import PlannedObjects, World, by_hand, refused


def plan_views(views: Sequence[SourceObject], world: World) -> PlannedObjects:
    """Plan views, each after those that it reads; those that cannot be translated are refused by name.

    What became of each is noted in `world.views`, for triggers on them.
    """
    planner = _Planner(views, world)
    for view in views:
        planner.plan(view)
    return PlannedObjects(objects=tuple(planner.objects), grades=tuple(planner.grades))


class _Planner:
    def __init__(self, views: Sequence[SourceObject], world: World) -> None:
        self._world = world
        self._views = {fold(view.name): view for view in views}
        self._said: Mapping[str, ViewColumns] = ask_columns(world.catalog, views) if views else {}
        self._refused: dict[str, str] = {}
        self._being_planned: set[str] = set()
        self.objects: list[ObjectPlan] = []
        self.grades: list[ObjectGrade] = []

    def plan(self, view: SourceObject) -> None:
        """Plan a view and those it reads, unless that is done."""
        name = fold(view.name)
        if name in self._world.views or name in self._refused:
            return
        self._being_planned.add(name)
        try:
            self._translate(view)
        except (UntranslatableError, RecursionError) as error:
            why = "it nests too deeply" if isinstance(error, RecursionError) else str(error)
            reason = self._broken(view) or why
            self._refused[name] = reason
            self.grades.append(refused(view, f"{reason}; {by_hand(view)}"))
        self._being_planned.remove(name)

    def _broken(self, view: SourceObject) -> str:
        said = self._said[view.name].broken
        return f"SQLite itself cannot read it: {said}" if said else ""

    def _translate(self, view: SourceObject) -> None:
        if self._broken(view):
            raise UntranslatableError(self._broken(view))
        created = parse_sqlite_statement(view.sql)
        if not isinstance(created, exp.Create) or created.expression is None:
            msg = "its CREATE VIEW cannot be read"
            raise UntranslatableError(msg)
        preserve = self._world.options.preserve_identifiers
        translated = translate_select(created.expression, self._find, preserve=preserve)
        columns, renamed = self._columns(view, created, translated)
        self._add(view, columns, translated, renamed)

    def _find(self, name: str) -> Readable:
        view = self._views.get(fold(name))
        if view is None or fold(name) in self._world.neighbours:
            return find_table(name, self._world)
        if fold(name) in self._being_planned:
            msg = f"it reads itself by way of the view {name}"
            raise UntranslatableError(msg)
        self.plan(view)
        if fold(name) in self._refused:
            msg = f"it reads the view {name}, which is refused"
            raise UntranslatableError(msg)
        return self._world.views[fold(name)]

    def _columns(
        self, view: SourceObject, created: Any, translated: TranslatedSelect
    ) -> tuple[tuple[Named, ...], tuple[str, ...]]:
        """The view's columns by SQLite's names, and why some have others in the target."""
        listed = [column.name for column in created.this.expressions] if isinstance(created.this, exp.Schema) else []
        names = self._said[view.name].names or listed or [column.source for column in translated.columns]
        if len(names) != len(translated.columns):
            msg = f"SQLite gives it {len(names)} columns and its SELECT has {len(translated.columns)} in the target"
            raise UntranslatableError(msg)
        taken = Names(preserve=self._world.options.preserve_identifiers)
        given = [taken.give(name) for name in names]
        columns = tuple(
            replace(column, source=source, name=each.name)
            for column, source, each in zip(translated.columns, names, given, strict=True)
        )
        return columns, tuple(_renamed(each) for each in given if each.reason)

    def _add(
        self, view: SourceObject, columns: tuple[Named, ...], translated: TranslatedSelect, renamed: tuple[str, ...]
    ) -> None:
        given = self._world.relations.give(view.name)
        doubts = (*([_renamed(given)] if given.reason else []), *renamed, *translated.doubts)
        doubt = "; ".join(doubts)
        target = qualified(self._world.schema, given.name)
        listed = ", ".join(quote(column.name) for column in columns)
        self._world.views[fold(view.name)] = Readable(
            target=target,
            columns=columns,
            needs=translated.needs,
            doubts=(f"it reads the view {view.name}, which is approximated",) if doubt else (),
        )
        grade = Grade.APPROXIMATED if doubt else Grade.EXACT
        self.grades.append(ObjectGrade(kind=ObjectKind.VIEW, name=view.name, table=None, grade=grade, reason=doubt))
        self.objects.append(
            ObjectPlan(
                name=given.name,
                phase=BuildPhase.AFTER,
                statements=(f"CREATE OR REPLACE VIEW {target} ({listed}) AS\n{translated.sql}",),
                needs=translated.needs,
                graded_as=GradedAs(kind=ObjectKind.VIEW, name=view.name, doubt=doubt),
            )
        )


def _renamed(given: GivenName) -> str:
    return f"named {given.name} in the target, since {given.reason}"
