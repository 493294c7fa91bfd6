"""What a table that was there before goes without while it is loaded, and what a person should know of the rest."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from shared.records.existing import ExistingTable
from shared.records.plan import JobOptions, SetAside, SetAsideKey, SetAsideTrigger


def to_set_aside(existing: ExistingTable, options: JobOptions, loaded: Collection[str]) -> SetAside | None:
    """Choose the foreign keys and triggers that would stand in the way of rows that come in parallel.

    Chunks of a child may come before those of its parent, tables may refer to each other in a circle, and a trigger
    would alter values or fire a second time for what it did in the source. A table with rows keeps all of it: whoever
    reads it relies on that.

    Args:
        existing: The table.
        options: What was asked for.
        loaded: The target tables of the job; a key to any other table holds as it is.
    """
    if existing.has_rows or not existing.owned or options.schema_only:
        return None
    keys = tuple(key for key in existing.foreign_keys if key.parent in loaded)
    if not keys and not existing.triggers:
        return None
    return SetAside(foreign_keys=keys, triggers=existing.triggers)


def said_of(existing: ExistingTable, chosen: SetAside | None, options: JobOptions) -> str:
    """Say what the table goes without, and what holds or fires for each row; empty where nothing does."""
    if options.schema_only:
        return ""
    away = chosen or SetAside()
    keys = [key for key in existing.foreign_keys if key not in away.foreign_keys]
    triggers = [trigger for trigger in existing.triggers if trigger not in away.triggers]
    return "; ".join(filter(None, (_without(away), _with(keys, triggers, _why(existing)))))


def _without(away: SetAside) -> str:
    parts = []
    if away.foreign_keys:
        plural = "s" if len(away.foreign_keys) > 1 else ""
        parts.append(f"goes without its foreign key{plural} {_names(away.foreign_keys)}")
    if away.triggers:
        one = len(away.triggers) == 1
        parts.append(f"its trigger{'' if one else 's'} {_names(away.triggers)} {'does' if one else 'do'} not fire")
    if not parts:
        return ""
    # What only a trigger writes (a search column, a counter, an audit row) is not written for copied rows.
    return f"until the job ends it {' and '.join(parts)}" if away.foreign_keys else f"until the job ends {parts[0]}"


def _with(keys: Sequence[SetAsideKey], triggers: Sequence[SetAsideTrigger], why: str) -> str:
    parts = []
    if keys:
        one = len(keys) == 1
        parts.append(f"its foreign key{'' if one else 's'} {_names(keys)} {'holds' if one else 'hold'} for each row")
    if triggers:
        one = len(triggers) == 1
        parts.append(f"its trigger{'' if one else 's'} {_names(triggers)} {'fires' if one else 'fire'} for each row")
    return f"{' and '.join(parts)}{why}" if parts else ""


def _why(existing: ExistingTable) -> str:
    if existing.has_rows:
        return ", since the table holds rows already"
    return "" if existing.owned else ", since the target's role does not own the table"


def _names(objects: Sequence[SetAsideKey] | Sequence[SetAsideTrigger]) -> str:
    return ", ".join(each.name for each in objects)
