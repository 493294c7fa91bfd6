"""What a source holds can neither steer a terminal nor hide there, and JSON and SQL still mean the same."""

from __future__ import annotations

import io
import json
import logging
import unicodedata
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from producer.print_sql import sql_for_terminal
from producer.printing import console
from shared.logs import RedactingFormatter
from shared.printable import printable, printable_json, printable_lines
from shared.redact import redact

UNSEEN = ("\x1b[2J", "\x9b31m", "\x07", "\r", "\u202e", "\u200b", "\ufeff", "\u2028", "\x7f", "\U000e0041", "\ud800")


def _steers(text: str) -> list[str]:
    """Characters by which a text could steer a terminal, by Unicode's own categories."""
    return [c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp", "Cs"} and c not in "\n\t"]


@given(text=st.text(st.characters()) | st.sampled_from(UNSEEN))
def test_nothing_that_cannot_be_seen_is_left(text: str) -> None:
    """Controls, characters without width, other directions of writing and halves of pairs are shown by their codes."""
    assert _steers(printable_lines(text)) == []
    assert _steers(printable(text)) == []
    assert "\n" not in printable(text)
    assert printable_lines("plain, ümläut, 名前, 😀\n") == "plain, ümläut, 名前, 😀\n"


@given(record=st.recursive(st.text(st.characters(exclude_categories=["Cs"])), st.lists))
def test_json_says_the_same(record: Any) -> None:
    """Escaped, a document reads as it did before."""
    document = printable_json(json.dumps(record, ensure_ascii=False, indent=2))
    assert json.loads(document) == record
    assert _steers(document) == []


@pytest.mark.parametrize("unseen", UNSEEN)
def test_what_is_printed_steers_nothing(unseen: str) -> None:
    """Through tables, texts and plain strings; markup in a name stays what it is."""
    stream = io.StringIO()
    table = Table(unseen)
    table.add_row(unseen)
    for each in (table, Text(unseen), f"[red]{unseen}[/red]:smile:"):
        console(stream).print(each)
    assert _steers(stream.getvalue()) == []
    assert "[red]" in stream.getvalue()
    assert ":smile:" in stream.getvalue()


def test_a_terminal_still_gets_colours() -> None:
    """What Rich itself draws is left alone."""
    stream = io.StringIO()
    coloured = type(console(stream))(file=stream, force_terminal=True, color_system="standard")
    coloured.print(Text("red\x1b[0m", style="red"))
    assert stream.getvalue() == "\x1b[31mred\\x1b[0m\x1b[0m\n"


def test_a_log_has_one_line_for_an_event() -> None:
    """A name with an end of line in it cannot write an event of its own."""
    forged = "t\n2026-01-01 00:00:00Z INFO MainProcess workers: all is well\x1b[2K"
    record = logging.LogRecord("workers", logging.WARNING, "", 0, "table %s failed", (forged,), None)
    lines = RedactingFormatter("%(message)s").format(record).split("\n")
    assert lines[0] == "table t"
    assert lines[1].startswith("    2026")
    assert _steers("".join(lines)) == []


@pytest.mark.parametrize("text", ["a\x1b[2J'b\\", "\u202e\\u0041", "plain", "\U000e0041", "it''s\x07", "e\x1bE'"])
def test_sql_for_a_terminal_means_the_same(text: str, postgres_url: str) -> None:
    """Texts and names come back from PostgreSQL as they were; comments show codes."""
    literal, name = text.replace("'", "''"), text.replace('"', '""')
    sql = sql_for_terminal(f"SELECT '{literal}' AS \"{name}\", E'{literal.replace(chr(92), chr(92) * 2)}' -- {text}\n")
    assert _steers(sql) == []
    with closing(psycopg2.connect(postgres_url)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        assert cursor.fetchone() == (text, text)
        assert cursor.description[0].name == text


@pytest.mark.parametrize("word", ["a", "a://a:", "a://", "password=", "password='", "?token", "&key=", "@", "://u:p@"])
def test_a_megabyte_of_anything_is_redacted_as_it_is_read(word: str) -> None:
    """What a source holds is redacted before it is shown: an expression that goes back over it would take hours."""
    text = word * (1_000_000 // len(word))
    assert len(redact(text)) > 0
