"""Whether stored texts are valid in their file's encoding, and whether they hold U+0000."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

NUL: Final = 1
INVALID: Final = 1 << 32
"""Answers add up: the sum of many of them holds both counts, for fewer than 2**32 values."""


def judge_text(raw: bytes | None, encoding: str) -> int:
    """Answer 0, `NUL`, `INVALID` or the sum of both for a stored text.

    In UTF-16 a text is not valid with half a surrogate pair or half a character in it. U+0000 is looked for where
    SQLite's own functions find it: in UTF-8 as a byte, in UTF-16 among the characters.
    """
    stored = raw or b""
    try:
        text = stored.decode(encoding)
    except UnicodeDecodeError:
        return INVALID + NUL * ("\0" in stored.decode(encoding, "replace"))
    return NUL * ("\0" in text)


def needs_judging(joined: bytes | None) -> bool:
    """Whether among texts of UTF-8, joined by commas, there is one that `judge_text` finds something in.

    A comma is ASCII and so never ends or continues a character: the whole is valid exactly where all parts are.
    Arrow looks for that in a fifth of the time that Python takes to decode.
    """
    if joined is None or (joined.isascii() and b"\0" not in joined):
        return False
    return b"\0" in joined or not _is_utf_8(joined)


def may_have_empty(joined: bytes) -> bool:
    """Whether among texts that are joined by commas there may be one of no character."""
    return not joined or b",," in joined or joined.startswith(b",") or joined.endswith(b",")


def _is_utf_8(raw: bytes) -> bool:
    try:
        pa.array([raw], pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True
