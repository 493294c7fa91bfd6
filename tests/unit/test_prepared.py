"""Statements that are built once a process, and run with the values of each call."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import psycopg2

from shared.ledger.prepared import Prepared, prepared
from shared.ledger.states import ChunkState

ROWS = sa.Table("rows", sa.MetaData(), sa.Column("id", sa.BigInteger), sa.Column("name", sa.Text))


def text_of(statement: Prepared) -> str:
    """What PostgreSQL is sent, with its values."""
    compiled = statement.statement.compile(dialect=psycopg2.dialect())  # type: ignore[attr-defined]
    return " ".join(str(compiled).split()) % {name: repr(value) for name, value in statement.values.items()}


def test_a_statement_is_built_at_its_first_use_alone() -> None:
    """Later uses bring their own values, NULL among them."""
    built = []

    @prepared
    def rename(number: int, name: str | None) -> sa.Update:
        built.append((number, name))
        return sa.update(ROWS).where(ROWS.c.id == number).values(name=name)

    assert text_of(rename(1, "a")) == "UPDATE rows SET name='a' WHERE rows.id = 1"
    assert text_of(rename(2, name=None)) == "UPDATE rows SET name=None WHERE rows.id = 2"
    assert len(built) == 1
    assert rename(3, "b").statement is rename(4, "c").statement


def test_what_is_no_number_and_no_text_is_a_part_of_the_statement() -> None:
    """A state or a condition makes another statement, however the arguments are given."""

    @prepared
    def find(number: int, state: ChunkState, *, lock: bool) -> sa.Select[tuple[int]]:
        found = sa.select(ROWS.c.id).where(ROWS.c.id == number, ROWS.c.name == sa.literal_column(f"'{state}'"))
        return found.with_for_update() if lock else found

    free = find(1, ChunkState.COPIED, lock=False)
    held = find(2, state=ChunkState.FAILED, lock=True)
    assert text_of(free) == "SELECT rows.id FROM rows WHERE rows.id = 1 AND rows.name = 'copied'"
    assert text_of(held) == "SELECT rows.id FROM rows WHERE rows.id = 2 AND rows.name = 'failed' FOR UPDATE"
    assert find(3, ChunkState.COPIED, lock=False).statement is free.statement
