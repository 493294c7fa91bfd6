"""CREATE TRIGGER, read: when it fires, and the statements of its body, each as written."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from sqlglot import TokenType
from sqlglot.errors import SqlglotError

from shared.schema.dialect.parsing import SqliteAsWritten
from shared.schema.dialect.scope import UntranslatableError


class Timing(enum.StrEnum):
    """When a trigger fires, seen from the row's change."""

    BEFORE = "BEFORE"
    AFTER = "AFTER"
    INSTEAD_OF = "INSTEAD OF"


class Event(enum.StrEnum):
    """What fires a trigger."""

    INSERT = "INSERT"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerSource:
    """A trigger of the source, read."""

    timing: Timing
    event: Event
    table: str
    """The table or view that it is on."""
    columns: tuple[str, ...] = ()
    """UPDATE OF; empty: any."""
    when: str = ""
    """The condition, as written; empty: always."""
    statements: tuple[str, ...] = ()
    """The body, each statement as written, without its semicolon."""


def read_trigger(sql: str) -> TriggerSource:
    """Read a CREATE TRIGGER statement.

    Raises:
        UntranslatableError: where it cannot be read.
    """
    try:
        tokens = SqliteAsWritten().tokenize(sql)
    except SqlglotError as error:
        msg = "its CREATE TRIGGER cannot be read"
        raise UntranslatableError(msg) from error
    return _Reader(sql, tokens).read()


class _Reader:
    """A walk over the tokens of one statement."""

    def __init__(self, sql: str, tokens: Sequence[Any]) -> None:
        self._sql, self._tokens, self._next = sql, tokens, 0

    def read(self) -> TriggerSource:
        self._until("TRIGGER")
        if self._takes("IF"):
            self._until("EXISTS")
        self._name()
        timing = self._timing()
        event = self._event()
        columns = self._columns() if event is Event.UPDATE and self._takes("OF") else ()
        self._until("ON")
        table = self._name()
        if self._takes("FOR"):
            self._until("ROW")
        when = self._when() if self._takes("WHEN") else ""
        self._until("BEGIN")
        statements = tuple(self._statements())
        return TriggerSource(timing=timing, event=event, table=table, columns=columns, when=when, statements=statements)

    def _timing(self) -> Timing:
        if self._takes("INSTEAD"):
            self._until("OF")
            return Timing.INSTEAD_OF
        if self._takes("AFTER"):
            return Timing.AFTER
        # Without a word it is BEFORE (https://sqlite.org/lang_createtrigger.html).
        self._takes("BEFORE")
        return Timing.BEFORE

    def _event(self) -> Event:
        found = next((event for event in Event if self._takes(event.value)), None)
        return found or self._fail()

    def _columns(self) -> tuple[str, ...]:
        columns = [self._identifier()]
        while self._here() is not None and self._here().token_type is TokenType.COMMA:
            self._next += 1
            columns.append(self._identifier())
        return tuple(columns)

    def _name(self) -> str:
        """A name, perhaps after that of its database."""
        name = self._identifier()
        if self._here() is not None and self._here().token_type is TokenType.DOT:
            self._next += 1
            name = self._identifier()
        return name

    def _identifier(self) -> str:
        token = self._here()
        if token is None:
            self._fail()
        self._next += 1
        return str(token.text)

    def _when(self) -> str:
        start = self._next
        while self._here() is not None and not self._is("BEGIN"):
            self._next += 1
        if self._next in {start, len(self._tokens)}:
            self._fail()
        return self._text(start, self._next - 1)

    def _statements(self) -> Iterator[str]:
        end = len(self._tokens) - 1
        while end > self._next and self._tokens[end].token_type is TokenType.SEMICOLON:
            end -= 1
        if end <= self._next or self._tokens[end].text.upper() != "END":
            self._fail()
        start = self._next
        for position in range(self._next, end):
            if self._tokens[position].token_type is TokenType.SEMICOLON:
                if position > start:
                    yield self._text(start, position - 1)
                start = position + 1
        if start < end:
            yield self._text(start, end - 1)

    def _text(self, first: int, last: int) -> str:
        return self._sql[self._tokens[first].start : self._tokens[last].end + 1]

    def _here(self) -> Any:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _is(self, word: str) -> bool:
        token = self._here()
        quoted = token is not None and token.token_type in {TokenType.STRING, TokenType.IDENTIFIER}
        return token is not None and not quoted and token.text.upper() == word

    def _takes(self, word: str) -> bool:
        found = self._is(word)
        self._next += found
        return found

    def _until(self, word: str) -> None:
        while self._here() is not None and not self._is(word):
            self._next += 1
        if self._here() is None:
            self._fail()
        self._next += 1

    def _fail(self) -> NoReturn:
        msg = "its CREATE TRIGGER cannot be read"
        raise UntranslatableError(msg)
