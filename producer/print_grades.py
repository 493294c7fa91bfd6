"""Grades of the source's objects as people read them: how many of each kind, then what is not exact, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from producer.print_status import table_of
from producer.wording import bad, counted, one_line
from shared.records.plan import Grade, ObjectGrade

_LONG_LIST: Final = 20
_FEW: Final = 3
"""Objects of one reason that are named."""
_COLOURS: Final = {Grade.EXACT: "green", Grade.APPROXIMATED: "yellow", Grade.REFUSED: "red"}
_WORST_FIRST: Final = (Grade.REFUSED, Grade.APPROXIMATED)


def print_grades(console: Console, grades: Sequence[ObjectGrade], *, verbose: bool) -> None:
    """Objects by kind and grade, and what is not exact: one line a reason, with `verbose` one an object."""
    tally = Counter(grade.grade for grade in grades)
    parts = [f"{tally[grade]} {grade}" for grade in Grade if tally[grade]]
    console.print(f"objects of the source's schema: {', '.join(parts) or 'none'}", soft_wrap=True)
    if grades:
        console.print(_by_kind(grades))
    doubtful = [grade for worst in _WORST_FIRST for grade in grades if grade.grade is worst]
    lines = [[grade] for grade in doubtful] if verbose else _by_reason(doubtful)
    shown = lines if verbose else lines[:_LONG_LIST]
    for alike in shown:
        console.print(_line(alike), soft_wrap=True)
    hidden = sum(map(len, lines)) - sum(map(len, shown))
    if hidden:
        console.print(f"… and {hidden} more: --verbose", soft_wrap=True)


def print_not_exact(console: Console, grades: Sequence[ObjectGrade], *, verbose: bool) -> None:
    """What is not exact and why, the worst first: one line a reason, with `verbose` one an object."""
    ordered = [grade for worst in _WORST_FIRST for grade in grades if grade.grade is worst]
    for alike in [[grade] for grade in ordered] if verbose else _by_reason(ordered):
        console.print(_line(alike), soft_wrap=True)


def _by_kind(grades: Iterable[ObjectGrade]) -> Table:
    """How many objects of each kind have each grade, in the order in which the plan comes to them."""
    tally: dict[str, Counter[Grade]] = {}
    for grade in grades:
        tally.setdefault(grade.kind, Counter())[grade.grade] += 1
    view = table_of("kind", *Grade)
    for kind, counts in tally.items():
        view.add_row(kind, *(bad(counts[grade]) for grade in Grade))
    return view


def _by_reason(grades: Iterable[ObjectGrade]) -> list[list[ObjectGrade]]:
    groups: dict[tuple[str, ...], list[ObjectGrade]] = {}
    for grade in grades:
        groups.setdefault((grade.grade, grade.kind, grade.reason), []).append(grade)
    return list(groups.values())


def _line(alike: Sequence[ObjectGrade]) -> Text:
    first = alike[0]
    what = f"{first.kind} {_named(first)}"
    if len(alike) > 1:
        names = ", ".join(map(_named, alike[:_FEW]))
        more = f" and {len(alike) - _FEW} more" if len(alike) > _FEW else ""
        what = f"{counted(len(alike), first.kind, _plural(first.kind))} ({names}{more})"
    return Text.assemble((f"{first.grade}", _COLOURS[first.grade]), f": {what}: {one_line(first.reason, 300)}")


def _named(grade: ObjectGrade) -> str:
    place = f" of {one_line(grade.table)}" if grade.table else ""
    return f"{one_line(grade.name)}{place}"


def _plural(kind: str) -> str:
    return f"{kind}es" if kind.endswith("x") else f"{kind}s"
