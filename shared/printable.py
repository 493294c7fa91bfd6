"""Texts from outside on a terminal, in a log and in JSON: what would steer it, or hide in it, is shown by its code.

Names and values of a source are whatever somebody put there: escape sequences of terminals, characters that turn the
direction of writing round, and such that are not seen at all.
"""

from __future__ import annotations

import json
import re
from typing import Final

_UNSEEN: Final = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, but tab and line feed
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    r"\ufff0-\ufffb\U000e0000-\U000e0fff"  # of no width, or that change the direction of writing
    r"\ud800-\udfff"  # halves of a pair, which no UTF-8 has
)
"""Unicode's Cc, Cf, Cs, Zl and Zp, and its Default_Ignorable_Code_Point without the selectors of a variant."""
_IN_LINES: Final = re.compile(f"[{_UNSEEN}]")
_IN_A_LINE: Final = re.compile(rf"[\t\n{_UNSEEN}]")


def printable(text: str) -> str:
    r"""Show a text as one line: what cannot be seen, and the end of a line, by its code (``\n``, ``\x1b``)."""
    return _IN_A_LINE.sub(_code, text)


def printable_lines(text: str) -> str:
    """Show a text of several lines of ours: what cannot be seen by its code."""
    return _IN_LINES.sub(_code, text)


def has_unseen(text: str) -> bool:
    """Whether something in a text cannot be seen; tabs and ends of lines aside."""
    return _IN_LINES.search(text) is not None


def seen_codes(text: str, form: str, long_form: str) -> str:
    """Write what cannot be seen by its code point, as ``form.format(code)``, above U+FFFF as ``long_form``."""

    def code(found: re.Match[str]) -> str:
        point = ord(found[0])
        return (form if point <= 0xFFFF else long_form).format(point)

    return _IN_LINES.sub(code, text)


def printable_json(document: str) -> str:
    """Escape in a JSON document what JSON itself lets stand; what it means stays the same."""
    return _IN_LINES.sub(lambda found: json.dumps(found[0])[1:-1], document)


def _code(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
