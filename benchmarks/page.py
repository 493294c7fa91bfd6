"""The results as text: for the terminal, and as the generated block of docs/performance.md. Pure but for the files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figure, Section, Table, decode, encode, shown

BEGIN = "<!-- generated: python -m benchmarks --docs -->"
END = "<!-- end -->"
_WIDEST = 118


class NoPlaceError(Exception):
    """The page has no block to write into."""


def merged(old: Sequence[Section], new: Sequence[Section], order: Sequence[str]) -> list[Section]:
    """Put new sections in the place of old ones of the same name; others stay. In the order of the works."""
    by_name = {section.name: section for section in (*old, *new)}
    return [by_name[name] for name in order if name in by_name]


def read_sections(path: Path) -> list[Section]:
    """Read what an earlier run wrote; nothing where there is none."""
    return decode(json.loads(path.read_text())["sections"]) if path.exists() else []


def write_sections(path: Path, sections: Sequence[Section]) -> None:
    """Write the results as JSON."""
    path.write_text(json.dumps({"sections": encode(sections)}, indent=2, ensure_ascii=False) + "\n")


def write_block(page: Path, block: str, *, begin_mark: str = BEGIN) -> None:
    """Put a block between a mark of the page and the end mark that follows it.

    Raises:
        NoPlaceError: where the page lacks them.
    """
    text = page.read_text()
    before, begin, rest = text.partition(begin_mark)
    _, end, after = rest.partition(END)
    if not (begin and end):
        msg = f"{page} has no block between {begin_mark} and {END}"
        raise NoPlaceError(msg)
    page.write_text(f"{before}{begin_mark}\n{block.strip()}\n{END}{after}")


def markdown(sections: Sequence[Section], plot: str | None = None) -> str:
    """Render the block: all limits in one table, then each section."""
    lines = ["### Limits", *_limits(sections)]
    if plot is not None:
        lines += ["", f"![Times of each program, and each figure beside its limit]({plot})"]
    for section in sections:
        lines += ["", *_section(section)]
    return "\n".join(lines)


def _limits(sections: Sequence[Section]) -> list[str]:
    rows = [
        (section.title, figure.what, _value(figure), _limit(figure), _reached(figure))
        for section in sections
        for figure in section.figures
        if figure.limit is not None
    ]
    return _rendered(("work", "what", "measured", "limit", "kept"), rows)


def _section(section: Section) -> list[str]:
    lines = [f"### {section.title}", section.how, ""]
    figures = [(each.what, _value(each), each.spread or "—", _limit(each)) for each in section.figures]
    lines += _rendered(("what", "measured", "rounds", "limit"), figures) if figures else []
    for table in section.tables:
        lines += ["", f"{table.title}:", "", *_table(table)]
    lines += [line for note in section.notes for line in ("", *_note(note))]
    by = f"`{section.command}`, {section.date}; {section.machine}; {section.versions}."
    return [*lines, "", f"Measured by {by}"]


def _note(note: str) -> list[str]:
    first, *log = note.splitlines() or [""]
    return [first, *(["", "```", *log, "```"] if log else [])]


def _table(table: Table) -> list[str]:
    return _rendered(table.header, table.rows)


def _rendered(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]


def _value(figure: Figure) -> str:
    return f"{shown(figure.value)} {'×' if figure.unit == 'x' else figure.unit}"


def _limit(figure: Figure) -> str:
    if figure.limit is None:
        return "—"
    return f"{figure.limit:g} {'×' if figure.unit == 'x' else figure.unit}"


def _reached(figure: Figure) -> str:
    return "yes" if figure.reached else "**no**"


def plain(section: Section) -> str:
    """Render a section for the terminal."""
    lines = ["", section.title, "=" * min(len(section.title), _WIDEST)]
    if section.figures:
        rows = [(each.what, _value(each), each.spread, _plain_limit(each)) for each in section.figures]
        lines += _columns(("what", "measured", "rounds", "limit"), rows)
    for table in section.tables:
        lines += ["", table.title, *_columns(table.header, table.rows)]
    return "\n".join([*lines, *section.notes])


def _plain_limit(figure: Figure) -> str:
    return "" if figure.limit is None else f"{_limit(figure)}: {'kept' if figure.reached else 'NOT KEPT'}"


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in (header, *rows)) for place in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in lines]
