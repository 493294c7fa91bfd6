"""What became of objects of the source, where making them showed more than planning them did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from shared.records.plan import Grade, GradedAs, ObjectGrade
from shared.records.source import ObjectKind

_SEVERITY: Final = {Grade.EXACT: 0, Grade.APPROXIMATED: 1, Grade.REFUSED: 2}
_Place = tuple[ObjectKind, str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Less:
    """What an object is less than planned, and why."""

    grade: Grade
    reason: str


@dataclass(slots=True)
class Outcomes:
    """What became of objects, by the object of the source that each stands for."""

    _found: dict[_Place, ObjectGrade] = field(default_factory=dict)

    def add(self, graded_as: GradedAs, table: str | None, less: Less | None) -> None:
        """Note what became of one; where several stand for the same object, the worst of them counts.

        Args:
            graded_as: The object of the source.
            table: The source table that it belongs to, or None.
            less: None: it is there as planned.
        """
        planned = Less(grade=Grade.APPROXIMATED if graded_as.doubt else Grade.EXACT, reason=graded_as.doubt)
        found = less or planned
        said = ObjectGrade(
            kind=graded_as.kind, name=graded_as.name, table=table, grade=found.grade, reason=found.reason
        )
        before = self._found.get(_place(said))
        if before is None or _SEVERITY[before.grade] < _SEVERITY[said.grade]:
            self._found[_place(said)] = said

    @property
    def names(self) -> frozenset[str]:
        """The names of the objects of the source that were noted."""
        return frozenset(name for _, name, _ in self._found)

    @property
    def tables(self) -> frozenset[str] | None:
        """The source tables that they belong to; None: any, since one of them was noted without its table."""
        found = {table for _, _, table in self._found}
        return None if None in found else frozenset(name for name in found if name is not None)

    def news(self, grades: Sequence[ObjectGrade]) -> tuple[ObjectGrade, ...]:
        """What `grades` do not say yet, each named as they name it."""
        known = {_place(each): each for each in grades}
        named = (_named_as(said, known) for said in self._found.values())
        return tuple(said for said in named if _is_news(said, known.get(_place(said))))

    def regraded(self, grades: Sequence[ObjectGrade]) -> tuple[ObjectGrade, ...]:
        """`grades` with the news in their places, and behind them what they did not name."""
        news = {_place(each): each for each in self.news(grades)}
        kept = [news.pop(_place(each), each) for each in grades]
        return (*kept, *news.values())


def _place(grade: ObjectGrade) -> _Place:
    return grade.kind, grade.name, grade.table


def _named_as(said: ObjectGrade, known: dict[_Place, ObjectGrade]) -> ObjectGrade:
    """Find the object under another table where it is known: what serves a virtual table stands in the one it reads."""
    if _place(said) in known:
        return said
    others = [each for each in known.values() if (each.kind, each.name) == (said.kind, said.name)]
    return replace(said, table=others[0].table) if len(others) == 1 else said


def _is_news(said: ObjectGrade, known: ObjectGrade | None) -> bool:
    # An exact object may have a reason by its plan, which says more than none.
    return known is None or known.grade is not said.grade or bool(said.reason and known.reason != said.reason)
