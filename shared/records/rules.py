"""Rules of the operator (``[[rules]]`` in ``pgconvoy.toml``): they win over what the profile would choose."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class SourceForm(enum.StrEnum):
    """How the source writes moments in a column."""

    UNIX_S = "unix_s"
    """Seconds since 1970-01-01 00:00 UTC, as integers or reals (or texts of such); of an interval, just seconds."""
    UNIX_MS = "unix_ms"
    """Milliseconds since 1970."""
    UNIX_US = "unix_us"
    """Microseconds since 1970."""
    JULIAN = "julian"
    """Julian day numbers, as ``julianday()`` gives them: 2440587.5 is 1970-01-01 00:00 UTC."""
    ISO = "iso"
    """ISO 8601 texts in any of its common shapes, with or without offset, in one column."""


class NulPolicy(enum.StrEnum):
    """What becomes of a text with U+0000 in it, which PostgreSQL's text cannot hold."""

    REJECT = "reject"
    STRIP = "strip"
    """The character is left out."""
    REPLACE = "replace"
    """The character becomes U+2400, SYMBOL FOR NULL."""


class BadTextPolicy(enum.StrEnum):
    """What becomes of a text that is not valid in the source's encoding."""

    REJECT = "reject"
    LATIN_1 = "latin-1"
    """Its bytes are read as ISO 8859-1; valid texts of the column stay as they are."""
    REPLACE = "replace"
    """What cannot be decoded becomes U+FFFD."""
    BYTEA = "bytea"
    """The whole column becomes bytea and holds the bytes as they are stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """What is done to a column's values before they become the target's type; by default nothing."""

    form: SourceForm | None = None
    null_if_empty: bool = False
    """Whether the empty text becomes NULL."""
    nul: NulPolicy = NulPolicy.REJECT
    bad_utf8: BadTextPolicy = BadTextPolicy.REJECT

    @property
    def is_plain(self) -> bool:
        """Whether values stay as they are."""
        return self == _PLAIN

    @property
    def changes_texts(self) -> bool:
        """Whether a text may become another text."""
        return self.nul is not NulPolicy.REJECT or self.bad_utf8 in {BadTextPolicy.LATIN_1, BadTextPolicy.REPLACE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One ``[[rules]]`` entry. Names are exact, in any case, or patterns with ``*``, ``?`` and ``[…]``."""

    table: str
    column: str | None = None
    """None: the rule is about the table, or about every column of it where it says something of columns."""
    name: str | None = None
    """The name in the target: of the column, or of the table where no column is named."""
    exclude: bool = False
    """Leave the column out, or the table where no column is named."""
    type: str | None = None
    """A PostgreSQL type."""
    form: SourceForm | None = None
    null_if_empty: bool | None = None
    nul: NulPolicy | None = None
    bad_utf8: BadTextPolicy | None = None


_PLAIN = Treatment()
