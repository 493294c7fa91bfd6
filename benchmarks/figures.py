"""What was measured, as records: figures with their limits, and the sections that they stand in. Pure."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value: a ratio of medians, a median, or the worst of all rounds."""

    what: str
    """In a few words: ``copying / bare binary COPY``."""
    unit: str
    """``x`` for ratios, else of the value: s, ms, MB, rows/s."""
    ours: tuple[float, ...]
    """One value a round."""
    theirs: tuple[float, ...] = ()
    """What it is compared with, one value a round; empty: nothing."""
    limit: float | None = None
    """The most it should be; None: it is only stated."""
    worst: bool = False
    """Whether the largest value counts, as for memory, and not the median."""

    @property
    def value(self) -> float:
        """The figure: the ratio of the medians where there is something to compare with."""
        ours = max(self.ours) if self.worst else statistics.median(self.ours)
        return ours / statistics.median(self.theirs) if self.theirs else ours

    @property
    def reached(self) -> bool | None:
        """Whether the limit is kept; None where there is none."""
        return None if self.limit is None else self.value <= self.limit

    @property
    def of_limit(self) -> float | None:
        """The value as a share of its limit; None where there is none."""
        return None if self.limit is None else self.value / self.limit

    @property
    def spread(self) -> str:
        """The least and the most of the rounds: ``3.80 to 4.10``; of a ratio, round by round. Empty for one round."""
        rounds = [a / b for a, b in zip(self.ours, self.theirs, strict=True)] if self.theirs else self.ours
        return "" if len(rounds) < 2 else f"{shown(min(rounds))} to {shown(max(rounds))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows to be printed under a section's figures."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What one work of the benchmark found."""

    name: str
    """As ``--only`` takes it."""
    title: str
    how: str
    """What was measured, and how, in a sentence or two."""
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    """What was skipped and why, and what else a reader must know."""
    clocks: Mapping[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)
    """Seconds of each program, round by round, for the plot."""
    machine: str = ""
    versions: str = ""
    command: str = ""
    date: str = ""


def shown(value: float) -> str:
    """Render a number with three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def shown_median(values: Sequence[float], unit: str = "s") -> str:
    """Render the median of the rounds, and least and most where there are several; a dash where there is nothing."""
    if not values:
        return "—"
    text = f"{shown(statistics.median(values))} {unit}"
    return text if len(values) < 2 else f"{text} ({shown(min(values))} to {shown(max(values))})"


def encode(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """Render sections as JSON, each figure with its value."""
    documents = [dataclasses.asdict(section) for section in sections]
    for section, document in zip(sections, documents, strict=True):
        for figure, rendered in zip(section.figures, document["figures"], strict=True):
            rendered |= {"value": figure.value, "reached": figure.reached}
    return documents


def decode(documents: Sequence[Mapping[str, Any]]) -> list[Section]:
    """Read sections from JSON."""
    return [_section(document) for document in documents]


def _section(document: Mapping[str, Any]) -> Section:
    figures = tuple(
        Figure(**{key: _frozen(figure[key]) for key in Figure.__dataclass_fields__}) for figure in document["figures"]
    )
    tables = tuple(
        Table(title=table["title"], header=tuple(table["header"]), rows=tuple(tuple(row) for row in table["rows"]))
        for table in document["tables"]
    )
    clocks = {name: tuple(seconds) for name, seconds in document["clocks"].items()}
    texts = {key: document[key] for key in ("name", "title", "how", "machine", "versions", "command", "date")}
    return Section(figures=figures, tables=tables, notes=tuple(document["notes"]), clocks=clocks, **texts)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
