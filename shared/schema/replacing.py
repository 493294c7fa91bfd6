"""What goes with a table that --recreate replaces by a new one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from shared.errors import OperatorError
from shared.records.existing import ExistingTable
from shared.records.plan import Grade, ObjectGrade, SchemaPlan
from shared.records.source import ObjectKind
from shared.schema.names import fold


def refuse_part(existing: ExistingTable) -> None:
    """Refuse to drop a table whose rows are another one's, too.

    Raises:
        OperatorError: names both.
    """
    if existing.part_of is not None:
        msg = (
            f"--recreate would drop {existing.schema}.{existing.name} of the target, which is a part of "
            f"{existing.part_of}: that table would lose its rows; detach it first, choose another schema with "
            "PGCONVOY_TARGET_SCHEMA, or run without --recreate"
        )
        raise OperatorError(msg)


def say_what_goes(
    grades: Iterable[ObjectGrade], plan: SchemaPlan, existing: Mapping[str, ExistingTable]
) -> tuple[ObjectGrade, ...]:
    """Say in the grades of tables what PostgreSQL drops with the ones that they replace, and no job makes again.

    `existing` are tables of the target by name. A trigger that is named as one of the source's was an earlier job's.
    """
    triggers = {fold(grade.name) for grade in plan.grades if grade.kind is ObjectKind.TRIGGER}
    gone = {table.read.table: _goes(existing[table.name], triggers) for table in plan.tables if table.name in existing}
    return tuple(_less(grade, gone) for grade in grades)


def _goes(existing: ExistingTable, translated: Collection[str]) -> tuple[str, ...]:
    own = [trigger.name for trigger in existing.triggers if fold(trigger.name) not in translated]
    return (*(f"the trigger {name}" for name in own), *existing.extras)


def _less(grade: ObjectGrade, gone: Mapping[str, tuple[str, ...]]) -> ObjectGrade:
    lost = gone.get(grade.name, ()) if grade.kind is ObjectKind.TABLE else ()
    if not lost or grade.grade is Grade.REFUSED:
        return grade
    said = f"the table that it replaces had {', '.join(lost)}: make that again"
    return replace(grade, grade=Grade.APPROXIMATED, reason=f"{grade.reason}; {said}" if grade.reason else said)
