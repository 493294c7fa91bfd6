"""Errors as a small tree by what the caller should do; each message names thing, place, finding and next step."""

from __future__ import annotations

import enum
from typing import ClassVar, Self


class ExitCode(enum.IntEnum):
    """How `producer` ends."""

    DONE = 0
    """Done and verified."""
    INCOMPLETE = 1
    """The job ended with failed chunks, rejects or mismatches."""
    USAGE = 2
    """Wrong usage or settings."""
    UNREACHABLE = 3
    """A service cannot be reached."""
    INTERRUPTED = 130
    """Interrupted; the job goes on or can be resumed."""


class ConvoyError(Exception):
    """Base of all errors that pgconvoy raises on purpose; its text is for the person who runs it."""

    exit_code = ExitCode.INCOMPLETE


class OperatorError(ConvoyError):
    """Usage or settings are wrong: nothing was changed; correct them and run again."""

    exit_code = ExitCode.USAGE


class SourceError(OperatorError):
    """The source is missing, unreadable, no database, encrypted or damaged."""


class UnreachableError(ConvoyError):
    """A service does not answer or refuses the login: start it or correct its URL, then run again."""

    exit_code = ExitCode.UNREACHABLE


class TransientError(ConvoyError):
    """May well succeed when tried again: lost connection, deadlock, serialization failure, missing parent row."""


class ConflictError(TransientError):
    """PostgreSQL ended this transaction, and nothing else, for the sake of another one: run it again at once."""


class MissingParentError(TransientError):
    """A row refers to one that is not there: its parent may be on its way, or there is none."""


class ExhaustedError(TransientError):
    """The server has no disk, memory or connection to spare: it takes minutes, or a person, until there is some."""


class PermanentError(ConvoyError):
    """Will fail again however often it is tried: a person has to look."""


class SourceChangedError(PermanentError):
    """The source is not the one that the job was planned from: only a new job can copy it."""

    FINDING: ClassVar = "has changed since job"
    """Every such text holds these words; by them a recorded error is known as one that requeueing cannot mend."""

    @classmethod
    def since(cls, job_id: int, url: str) -> Self:
        """Say that the source at `url` is another than job `job_id` was planned from."""
        return cls(f"the source {url} {cls.FINDING} {job_id} was planned: start a new job and let it make a snapshot")


class NotArrowableError(ConvoyError):
    """The fast path cannot carry these values unchanged: take the careful path."""
