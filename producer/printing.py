"""Where the commands' results go: stdout for results, stderr for what is told along the way of ``--json``."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Final, TextIO

from pydantic_core import to_jsonable_python
from rich.console import Console

from shared.redact import redact

_UNBOUNDED: Final = 10_000
"""Columns of a pipe: lines there are cut by nobody but who reads them."""


def console(stream: TextIO) -> Console:
    """Write to a stream as it is: names from the source are no markup; NO_COLOR is honoured by Rich.

    Args:
        stream: Standard output or standard error.
    """
    width = None if stream.isatty() or "COLUMNS" in os.environ else _UNBOUNDED
    return Console(file=stream, markup=False, highlight=False, emoji=False, width=width)


def out() -> Console:
    """Standard output."""
    return console(sys.stdout)


def err() -> Console:
    """Standard error."""
    return console(sys.stderr)


def print_json(record: Any) -> None:
    """Print one JSON document on stdout: the record's fields by name, without passwords."""
    document = to_jsonable_python(record, inf_nan_mode="constants")
    sys.stdout.write(redact(json.dumps(document, indent=2, ensure_ascii=False)) + "\n")
