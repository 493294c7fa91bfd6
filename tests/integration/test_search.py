"""Generated search columns on a real server: whatever the text, a row can be inserted."""

from __future__ import annotations

from contextlib import closing

import psycopg2
import pytest
from schemakit import column, only, table, translated

from shared.records.source import ObjectKind, SourceObject, VirtualModule, VirtualTable
from shared.target import ddl

WORDS = ["{0:x} ", "{0}-{1} ", "a{0}.example/{1} ", "{2}{3} ", "{2} ", "/{0}/{1}/{2} ", "{0}@{1}.org ", "{0}.{1}e{0} "]


def _statements(columns: str, tokenizer: str = "unicode61") -> tuple[str, ...]:
    names = tuple(columns)
    virtual = VirtualTable(name="long", module=VirtualModule.FTS5, columns=names, tokenizer=tokenizer)
    plan = only(
        translated(
            table(
                "long", column("rowid", not_null=True), *(column(name, "") for name in names),
                primary_key="rowid", virtual=virtual,
            ),
            objects=(SourceObject(kind=ObjectKind.VIRTUAL_TABLE, name="long", table="long", virtual=virtual),),
        )
    )  # fmt: skip
    (search,) = plan.search
    return ddl.create_table(plan), ddl.search_column(plan, search), ddl.search_index(plan, search)


@pytest.mark.parametrize("columns", ["a", "abc", "abcde"])
@pytest.mark.parametrize("word", WORDS)
def test_texts_of_any_length_can_be_inserted(word: str, columns: str, target_url: str) -> None:
    """However long a text and however many words it has, it stays within the 1 MB that PostgreSQL can index."""
    text = "".join(word.format(n, n * 7, chr(0x100 + n % 9000), chr(0x4E00 + n // 9)) for n in range(150_000))
    with closing(psycopg2.connect(target_url)) as connection, connection.cursor() as cursor:
        for statement in _statements(columns):
            cursor.execute(statement)
        marks = ", ".join(["%s"] * (len(columns) + 1))
        cursor.execute(f"INSERT INTO long VALUES ({marks}) RETURNING length(search)", (1, *[text] * len(columns)))
        assert cursor.fetchone()[0] > 1000
