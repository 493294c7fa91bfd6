"""Texts of UTF-16 files as they are stored.

SQLite gives texts in UTF-8. Of a text that is not valid UTF-16 it makes another one without a word: the half of a
surrogate pair swallows the character after it. So in such files each text is judged as it is stored, by a Python
function; one that is not valid passes SQLite as a marked row of hexadecimal digits and becomes `RawText` again.
"""

from __future__ import annotations

import functools
import sqlite3
from typing import Final

from shared.errors import NotArrowableError
from shared.records.keys import ChunkRange, RawText
from shared.records.plan import TableRead
from shared.source.sqlite_keys import Select, column_sql, table_sql, where
from shared.source.sqlite_read import exact_text

UTF_8: Final = "utf-8"
_FUNCTION: Final = "pgconvoy_text"
_IS_INVALID: Final = "pgconvoy_is_invalid"
_MARK: Final = "\ufdd0pgconvoy:"
"""Begins with a noncharacter. A stored text that begins like it is passed as digits too, so none is mistaken."""


def read_exactly(connection: sqlite3.Connection) -> str:
    """Let a connection give texts as they are stored; returns the file's encoding, as Python spells it.

    In a file of UTF-16 this holds where values are selected as `select_of` says.

    Raises:
        sqlite3.Error: where the file cannot be read.
    """
    encoding = str(connection.execute("PRAGMA main.encoding").fetchone()[0]).lower()
    if encoding == UTF_8:
        connection.text_factory = exact_text
        return encoding
    connection.text_factory = functools.partial(_unmarked, encoding=encoding)
    connection.create_function(_FUNCTION, 1, functools.partial(_marked, encoding=encoding), deterministic=True)
    invalid = functools.partial(_is_invalid, encoding=encoding)
    connection.create_function(_IS_INVALID, 1, invalid, deterministic=True)
    return encoding


def select_of(encoding: str) -> Select:
    """How values are selected from a file of an encoding."""
    return column_sql if encoding == UTF_8 else _marked_sql


def _marked_sql(name: str) -> str:
    column = column_sql(name)
    return f"CASE WHEN typeof({column}) = 'text' THEN {_FUNCTION}(CAST({column} AS BLOB)) ELSE {column} END"


def refuse_invalid(connection: sqlite3.Connection, read: TableRead, key_range: ChunkRange) -> None:
    """Make sure that a chunk's texts are valid UTF-16.

    Raises:
        NotArrowableError: where one is not.
    """
    clause = where(read.chunk_key, key_range)
    for name in read.columns:
        column = column_sql(name)
        invalid = clause.narrowed(f"(typeof({column}) = 'text' AND {_IS_INVALID}(CAST({column} AS BLOB)))")
        sql = f"SELECT 1 FROM {table_sql(read.table)} {invalid.sql} LIMIT 1"
        if connection.execute(sql, invalid.values).fetchone():
            msg = f"column {name!r} holds text that is not valid UTF-16 in {key_range} of table {read.table!r}"
            raise NotArrowableError(msg)


def _marked(stored: bytes | None, encoding: str) -> str:
    raw = stored or b""
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        return _MARK + raw.hex()
    # On its way back through a file of UTF-16, SQLite would make U+FFFD of U+FFFE and U+FFFF.
    passes = not text.startswith(_MARK) and "\ufffe" not in text and "\uffff" not in text
    return text if passes else _MARK + raw.hex()


def _unmarked(raw: bytes, encoding: str) -> str | RawText:
    text = raw.decode(errors="replace")  # from UTF-16 SQLite makes UTF-8; where it does not, the name of something
    if not text.startswith(_MARK):
        return text
    stored = bytes.fromhex(text.removeprefix(_MARK))
    return RawText(stored, encoding) if _is_invalid(stored, encoding) else stored.decode(encoding)


def _is_invalid(stored: bytes | None, encoding: str) -> bool:
    try:
        (stored or b"").decode(encoding)
    except UnicodeDecodeError:
        return True
    return False
