"""SQL for a terminal: names and texts of the source stand in it, and the terminal must not take them for commands."""

from __future__ import annotations

import re
from typing import Final

from shared.printable import has_unseen, printable_lines, seen_codes

_PART: Final = re.compile(
    r"""
    (?P<comment>--[^\n]*)
    |(?P<name>(?<![A-Za-z0-9_&])"(?:[^"]|"")*")
    |(?P<escaped>(?<![A-Za-z0-9_$])[eE]'(?:[^'\\]|\\.|'')*')
    |(?P<text>(?<![A-Za-z0-9_&])'(?:[^']|'')*')
    """,
    re.VERBOSE | re.DOTALL,
)


def sql_for_terminal(sql: str) -> str:
    r"""Write what cannot be seen by its code, so that the SQL means the same: ``U&"\200B"`` and ``E'\u001B'``."""
    return printable_lines(_PART.sub(lambda part: _seen(part) if has_unseen(part[0]) else part[0], sql))


def _seen(part: re.Match[str]) -> str:
    match part.lastgroup:
        case "name":
            return "U&" + seen_codes(part[0].replace("\\", "\\\\"), r"\{:04X}", r"\+{:06X}")
        case "text":
            return "E" + seen_codes(part[0].replace("\\", "\\\\"), r"\u{:04X}", r"\U{:08X}")
        case "escaped":
            return seen_codes(part[0], r"\u{:04X}", r"\U{:08X}")
    return printable_lines(part[0])
