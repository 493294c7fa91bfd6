"""Logging for every process: one line an event, UTC, passwords redacted wherever they come from."""

from __future__ import annotations

import logging
import sys
import time

from shared.printable import printable_lines
from shared.redact import redact


class RedactingFormatter(logging.Formatter):
    """Formats a record, traceback included, and takes the passwords out of the whole.

    What is in it may come from a source: it can neither steer a terminal nor begin a line as if it were another event.
    """

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """Render one record; all lines after its first are indented."""
        return printable_lines(redact(super().format(record))).replace("\n", "\n    ")


def _without_traceback(record: logging.LogRecord) -> bool:
    """Let a record through, on one line."""
    record.exc_info = None
    return True


def set_up_logs(level: int | str = logging.INFO, *, file: str | None = None) -> None:
    """Send every logger of this process to one place: a file, or stderr."""
    handler = logging.StreamHandler(sys.stderr) if file is None else logging.FileHandler(file)
    handler.setFormatter(
        RedactingFormatter("%(asctime)sZ %(levelname)s %(processName)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Of an event that is no JSON, which anybody who reaches Redis may send, kombu shows where it gave up reading.
    logging.getLogger("kombu.transport.redis").addFilter(_without_traceback)
