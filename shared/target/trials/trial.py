"""What a trial of a plan shares: the connection, what PostgreSQL said, and what the moment did not allow to try."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection

from shared.errors import ConvoyError
from shared.grading import Less, Outcomes
from shared.records.plan import Grade, GradedAs
from shared.target.driver_errors import original, sqlstate_of
from shared.target.statements import Refusal, attempt, probe

_NOWHERE: Final = ("25006", "53")
"""A standby, and a server without memory or disk to spare: the rest of the plan would only press it harder."""
_OF_THE_MOMENT: Final = ("55P03", "57014", "40P01")
"""A lock, a cancelled statement, a deadlock: they say nothing of what was tried."""


_Run = Callable[[Connection, str | Sequence[str], str], Refusal | None]


class UntriableError(Exception):
    """Nothing can be tried here: on a standby, without the right to make anything, or without memory for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One trial, inside a savepoint that somebody else rolls back."""

    connection: Connection
    outcomes: Outcomes = field(default_factory=Outcomes)
    notes: list[str] = field(default_factory=list)
    """What could not be tried, and why."""
    untried: set[str] = field(default_factory=set)
    """Tables, by target name, that the moment did not allow to make."""

    def make(self, statements: str | Sequence[str], what: str) -> Refusal | None:
        """Run statements that stay until the trial's end; returns what PostgreSQL said where it refused.

        Raises:
            UntriableError: where the server or the role allows nothing of the kind.
            ConvoyError: where the moment was wrong.
        """
        return _told(attempt, self.connection, statements, what)

    def probe(self, statements: str | Sequence[str], what: str) -> Refusal | None:
        """Run statements and take them back at once, with the locks that they took; else as `make`."""
        return _told(probe, self.connection, statements, what)

    def takes(
        self,
        statements: str | Sequence[str],
        what: str,
        graded_as: GradedAs,
        table: str | None,
        *,
        keep: bool = False,
        grade: Grade = Grade.REFUSED,
    ) -> bool:
        """Try a part of a plan and grade it where PostgreSQL refuses; True also where the moment was wrong."""
        try:
            refused = self.make(statements, what) if keep else self.probe(statements, what)
        except ConvoyError as error:
            self.note(what, error)
            return True
        if refused is not None:
            self.outcomes.add(graded_as, table, Less(grade=grade, reason=f"PostgreSQL refuses it: {refused.said}"))
        return refused is None

    def note(self, what: str, error: ConvoyError) -> None:
        """Say that something was not tried.

        Raises:
            ConvoyError: the error itself, where it is not one of the moment.
        """
        self.refuse_unpassing(error)
        self.notes.append(f"not tried: {error}" if str(error).startswith(what) else f"{what} was not tried: {error}")

    def refuse_unpassing(self, error: ConvoyError) -> None:
        """Raise an error again that is not one of the moment: a lost connection."""
        if not (_state_of(error) or "").startswith(_OF_THE_MOMENT):
            raise error


def _told(how: _Run, connection: Connection, statements: str | Sequence[str], what: str) -> Refusal | None:
    try:
        refused = how(connection, statements, what)
    except ConvoyError as error:
        if (_state_of(error) or "").startswith(_NOWHERE):
            raise UntriableError(str(error)) from error
        raise
    return refused


def _state_of(error: ConvoyError) -> str | None:
    return None if error.__cause__ is None else sqlstate_of(original(error.__cause__))
