"""The results as a picture: each program's times, and each figure beside its limit."""

from __future__ import annotations

import importlib.util
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import Section

_COLOURS = ("#1b4f72", "#5dade2", "#7d8a94", "#d4a017", "#a04030", "#557a46")
_KEPT, _NOT_KEPT = "#557a46", "#a04030"
_FURTHEST = 2.5
"""A figure of more times its limit is drawn so long, and its number says the rest."""


def available() -> bool:
    """Whether matplotlib is there."""
    return importlib.util.find_spec("matplotlib") is not None


def draw(sections: Sequence[Section], path: Path) -> None:
    """Write the picture as PNG."""
    import matplotlib as mpl  # noqa: PLC0415 - an extra

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after its back end is chosen

    timed = [section for section in sections if section.clocks]
    limited = [(section, figure) for section in sections for figure in section.figures if figure.limit is not None]
    height = 1.5 + 1.5 * len(timed) + 0.34 * len(limited)
    figure, axes = plt.subplots(
        len(timed) + 1, 1, figsize=(10, height), height_ratios=[*(1.5 for _ in timed), max(1.0, 0.34 * len(limited))]
    )
    rooms = list(axes) if timed else [axes]
    for room, section in zip(rooms, timed, strict=False):
        _draw_times(room, section)
    _draw_limits(rooms[-1], limited)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_times(room: Any, section: Section) -> None:
    names = list(section.clocks)
    medians = [statistics.median(section.clocks[name]) for name in names]
    bars = room.barh(names, medians, color=[_COLOURS[place % len(_COLOURS)] for place in range(len(names))])
    room.bar_label(bars, labels=[f" {each:.1f} s" for each in medians], fontsize=8)
    room.invert_yaxis()
    room.margins(x=0.12)
    room.set_title(f"{section.title}: seconds", fontsize=9, loc="left")
    room.tick_params(labelsize=8)


def _draw_limits(room: Any, limited: Sequence[tuple[Section, Any]]) -> None:
    shares = [figure.of_limit for _, figure in limited]
    names = [f"{section.name}: {figure.what}" for section, figure in limited]
    colours = [_KEPT if figure.reached else _NOT_KEPT for _, figure in limited]
    bars = room.barh(range(len(names)), [min(share, _FURTHEST) for share in shares], color=colours)
    room.set_yticks(range(len(names)), names)
    room.bar_label(
        bars,
        labels=[
            f" {share:.0%} of {figure.limit:g} {figure.unit}"
            for share, (_, figure) in zip(shares, limited, strict=True)
        ],
        fontsize=8,
    )
    room.axvline(1.0, color="black", linewidth=1)
    room.invert_yaxis()
    room.margins(x=0.25)
    room.set_title("Each figure as a share of its limit (the line is the limit)", fontsize=9, loc="left")
    room.tick_params(labelsize=8)
