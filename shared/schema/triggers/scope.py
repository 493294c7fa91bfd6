"""What the statements of a trigger's body see and may change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared.quoting import quote
from shared.schema.dialect.scope import Named, Relation, UntranslatableError
from shared.schema.foreign_keys import Neighbour
from shared.schema.names import Names, fold
from shared.schema.queries.frames import Frame, Item
from shared.schema.queries.query import Query
from shared.schema.queries.readable import Notes, Readable, Setting
from shared.schema.readables import find_table, readable_table
from shared.schema.triggers.source import Event, TriggerSource
from shared.schema.world import World

EXCLUDED = "excluded"


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerScope:
    """One trigger's body on its way into PostgreSQL's terms."""

    trigger: TriggerSource
    world: World
    query: Query
    frame: Frame
    """NEW and OLD, as far as the event has them."""
    notes: Notes = field(compare=False)

    def writable(self, name: str, database: str) -> Neighbour:
        """Find the table of the job that a statement changes.

        Raises:
            UntranslatableError: where it is none.
        """
        if database and fold(database) != "main":
            msg = f"it changes {database}.{name}, which is in another database"
            raise UntranslatableError(msg)
        neighbour = self.world.neighbours.get(fold(name))
        if neighbour is None:
            if fold(name) in self.world.views:
                msg = f"it changes the view {name}"
                raise UntranslatableError(msg)
            find_table(name, self.world)
            msg = f"it changes {name}, which is no table of this job"
            raise UntranslatableError(msg)
        self.notes.needs[neighbour.plan.name] = None
        return neighbour

    def own_item(self, neighbour: Neighbour, name: str) -> Item:
        """A table whose rows a statement changes, as the expressions of that statement name it."""
        readable = readable_table(neighbour, self.world.schema)
        alias = self.notes.names.give(name).name
        return placed(readable, name, alias, quote(alias))


def placed(readable: Readable, name: str, alias: str, target: str) -> Item:
    """A table or view as a relation of a frame."""
    relation = Relation(alias=alias, target=target, columns=readable.columns, rowid=readable.rowid)
    return Item(name=fold(name), relation=relation, primary_key=readable.primary_key, left_out=readable.left_out)


def scope_of(trigger: TriggerSource, world: World, find: Callable[[str], Readable]) -> TriggerScope:
    """Set up the translation of a trigger's body.

    Raises:
        UntranslatableError: where its table or view is not in the target.
    """
    notes = Notes(names=Names(taken=("new", "old", EXCLUDED)))
    on = find(trigger.table)
    notes.needs.update(dict.fromkeys(on.needs))
    rows = [row for row, event in (("new", Event.DELETE), ("old", Event.INSERT)) if trigger.event is not event]
    frame = Frame(items=tuple(placed(on, row, row, row.upper()) for row in rows), qualified_only=True)
    setting = Setting(find=find, notes=notes, preserve=world.options.preserve_identifiers)
    return TriggerScope(trigger=trigger, world=world, query=Query(setting), frame=frame, notes=notes)


def excluded_frame(neighbour: Neighbour, schema: str, outer: Frame, own: Item) -> Frame:
    """What the SET of an upsert sees: the row that is there, and the one that did not go in."""
    readable = readable_table(neighbour, schema)
    other = placed(readable, EXCLUDED, EXCLUDED, EXCLUDED)
    around = Frame(items=(other, *outer.items), outer=outer.outer, qualified_only=True)
    return Frame(items=(own,), outer=around)


def column_of(neighbour: Neighbour, schema: str, name: str) -> Named:
    """The column of a table that a statement writes.

    Raises:
        UntranslatableError: where it has none, or the target's cannot be written.
    """
    readable = readable_table(neighbour, schema)
    found = Relation(alias="", target="", columns=readable.columns, rowid=readable.rowid).find(name)
    if found is None:
        msg = f"it writes the column {name} of {neighbour.draft.table.name}, which is not part of this job"
        raise UntranslatableError(msg)
    plan = next(column for column in neighbour.plan.columns if column.name == found.name)
    if plan.generated is not None:
        msg = f"it writes the column {name} of {neighbour.draft.table.name}, which PostgreSQL computes"
        raise UntranslatableError(msg)
    return found


def within(frame: Frame, item: Item, *more: Item) -> Frame:
    """The frame of a statement on a table, within the trigger's."""
    return Frame(items=(item, *more), outer=frame)


def names_of(node: Any) -> tuple[str, str, str]:
    """The name, database and alias of the table that a statement is on."""
    return str(node.name), str(node.db), str(node.alias or node.name)
