"""Grades of the source's objects as people read them: how many of each kind, then what is not exact, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from producer.differences import Difference, differences
from producer.print_status import table_of
from producer.wording import bad, counted, one_line
from shared.records.plan import Grade, ObjectGrade

_LONG_LIST: Final = 20
_FEW: Final = 3
"""Objects of one difference that are named."""
_LONG_REASON: Final = 300
_WHOLE_REASON: Final = 100_000
_COLOURS: Final = {Grade.EXACT: "green", Grade.APPROXIMATED: "yellow", Grade.REFUSED: "red"}


def print_grades(console: Console, grades: Sequence[ObjectGrade], *, verbose: bool) -> None:
    """Objects by kind and grade, and how they differ: one line a difference, with `verbose` one an object."""
    console.print(f"objects of the source's schema: {graded(grades) or 'none'}", soft_wrap=True)
    if grades:
        console.print(_by_kind(grades))
    found = differences(grades, whole=verbose)
    often = [each for each in found if verbose or not each.seldom]
    shown = often if verbose else often[:_LONG_LIST]
    _print_lines(console, shown, verbose=verbose)
    if len(shown) < len(often):
        hidden = counted(len(often) - len(shown), "more difference")
        console.print(f"… and {hidden}: --verbose", soft_wrap=True)
    if not verbose:
        _print_seldom(console, [each for each in found if each.seldom])


def graded(grades: Iterable[ObjectGrade]) -> str:
    """How many objects have each grade: ``22 exact, 1 refused``; empty for none."""
    tally = Counter(grade.grade for grade in grades)
    return ", ".join(f"{tally[grade]:,} {grade}" for grade in Grade if tally[grade])


def print_not_exact(console: Console, grades: Sequence[ObjectGrade], *, verbose: bool) -> None:
    """How objects differ, the worst first: one line a difference, with `verbose` one an object."""
    _print_lines(console, differences(grades, whole=verbose), verbose=verbose)


def _print_lines(console: Console, found: Iterable[Difference], *, verbose: bool) -> None:
    for each in found:
        console.print(_line(each, _WHOLE_REASON if verbose else _LONG_REASON), soft_wrap=True)


def _print_seldom(console: Console, found: Sequence[Difference]) -> None:
    """What matters to few, in one line: how many objects each of it is about."""
    if found:
        objects: dict[str, set[ObjectGrade]] = {}
        for each in found:
            objects.setdefault(each.seldom, set()).update(each.objects)
        said = ", ".join(f"{about} ({len(those)})" for about, those in objects.items())
        console.print(f"what seldom matters: {said}: --verbose", soft_wrap=True)


def _by_kind(grades: Iterable[ObjectGrade]) -> Table:
    """How many objects of each kind have each grade, in the order in which the plan comes to them."""
    tally: dict[str, Counter[Grade]] = {}
    for grade in grades:
        tally.setdefault(grade.kind, Counter())[grade.grade] += 1
    view = table_of("kind")
    for name in Grade:
        view.add_column(name, justify="right")
    for kind, counts in tally.items():
        view.add_row(kind, *(bad(counts[grade]) for grade in Grade))
    return view


def _line(difference: Difference, longest: int) -> Text:
    first, *others = difference.objects
    what = f"{first.kind} {_named(first)}"
    if others:
        which = "each" if difference.said_of_all else "the first"
        names = ", ".join(map(_named, difference.objects[:_FEW]))
        more = f" and {len(difference.objects) - _FEW} more" if len(difference.objects) > _FEW else ""
        what = f"{counted(len(difference.objects), first.kind, _plural(first.kind))} ({names}{more}), {which}"
    return Text.assemble(
        (f"{difference.grade}", _COLOURS[difference.grade]), f": {what}: {one_line(difference.text, longest)}"
    )


def _named(grade: ObjectGrade) -> str:
    place = f" of {one_line(grade.table)}" if grade.table else ""
    return f"{one_line(grade.name)}{place}"


def _plural(kind: str) -> str:
    return f"{kind}es" if kind.endswith("x") else f"{kind}s"
