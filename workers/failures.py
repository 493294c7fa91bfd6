"""One sentence for whatever went wrong in a task: for the ledger, the log and Flower."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import adbc_driver_manager
import psycopg2
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from shared.errors import ConvoyError, PermanentError
from shared.ledger.session import Ledger
from shared.redact import redact
from shared.target.connections import translate_error
from workers.context import WorkerContext

log = logging.getLogger(__name__)


_DRIVER_ERRORS: Final = (DBAPIError, psycopg2.Error, adbc_driver_manager.Error)


def is_surprise(error: Exception) -> bool:
    """Whether nobody foresaw an error, so that the log should show where it came from: no fault of a server's is."""
    if isinstance(error, _DRIVER_ERRORS):
        return isinstance(translate_error(error, what=""), PermanentError)
    return not isinstance(error, ConvoyError)


def sentence_of(error: BaseException) -> str:
    """What happened, for people, without passwords: our errors' own text, what PostgreSQL said, or a first line."""
    if isinstance(error, ConvoyError):
        return redact(str(error))
    if isinstance(error, _DRIVER_ERRORS):
        return str(translate_error(error, what="PostgreSQL"))
    first_line = str(error).strip().split("\n", 1)[0]
    return redact(f"{type(error).__name__}: {first_line}")


Task = Callable[[WorkerContext, int], str]
Note = Callable[[Ledger, int, str], None]


def left_to_rescue(function: Task) -> Task:
    """Turn an error into the task's answer: its transaction is rolled back, and rescue asks for it again.

    A ledger of another version is such an error: nothing is read from it or written to it.
    """
    return _left_to_rescue(function, None)


def noted_and_left_to_rescue(note: Note) -> Callable[[Task], Task]:
    """As `left_to_rescue`; the error is also kept in the ledger, where whoever waits can see why nothing moves."""
    return functools.partial(_left_to_rescue, note=note)


def _left_to_rescue(function: Task, note: Note | None) -> Task:
    @functools.wraps(function)
    def answer(context: WorkerContext, number: int, /) -> str:
        try:
            context.check_ledger()
            return function(context, number)
        except Exception as error:
            sentence = f"{function.__name__} {number} did not end, rescue asks again: {sentence_of(error)}"
            log.warning("%s", sentence, exc_info=is_surprise(error))
            # Where the ledger itself is away, or another version's, there is nowhere to keep it.
            if note is not None and context.ledger_checked:
                with suppress(SQLAlchemyError, ConvoyError), context.store.transaction() as ledger:
                    note(ledger, number, sentence_of(error))
            return sentence

    return answer
