"""Where the commands' results go: stdout for results, stderr for what is told along the way of ``--json``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from typing import Any, Final, TextIO

from pydantic_core import to_jsonable_python
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from shared.printable import printable_json, printable_lines
from shared.redact import redact

_UNBOUNDED: Final = 10_000
"""Columns of a pipe: lines there are cut by nobody but who reads them."""


class PlainConsole(Console):
    """Rich's console, through which nothing of a source's names and values can reach the terminal as a command: what
    it draws by itself comes as control segments and styles, all else is text.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render, and show by its code what cannot be seen."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable_lines(segment.text), segment.style)


def console(stream: TextIO) -> Console:
    """Write to a stream as it is: names from the source are no markup; NO_COLOR is honoured by Rich.

    Args:
        stream: Standard output or standard error.
    """
    width = None if stream.isatty() or "COLUMNS" in os.environ else _UNBOUNDED
    return PlainConsole(file=stream, markup=False, highlight=False, emoji=False, width=width)


def out() -> Console:
    """Standard output."""
    return console(sys.stdout)


def err() -> Console:
    """Standard error."""
    return console(sys.stderr)


def print_json(record: Any) -> None:
    """Print one JSON document on stdout: the record's fields by name, without passwords."""
    document = _redacted(to_jsonable_python(record, inf_nan_mode="constants"))
    sys.stdout.write(printable_json(json.dumps(document, indent=2, ensure_ascii=False)) + "\n")


def _redacted(part: Any) -> Any:
    """Text by text, before quotes and backslashes are escaped: what is replaced afterwards may be no JSON any more."""
    if isinstance(part, str):
        return redact(part)
    if isinstance(part, list):
        return [_redacted(each) for each in part]
    if isinstance(part, dict):
        return {redact(name): _redacted(each) for name, each in part.items()}
    return part
