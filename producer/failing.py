"""What a person sees when a command fails: one sentence, and the exit code that it stands for."""

from __future__ import annotations

import os
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

from shared.errors import ConvoyError, ExitCode, TransientError
from shared.printable import printable, printable_lines
from shared.redact import redact

DEBUG_VARIABLE = "PGCONVOY_DEBUG"


def explain(error: Exception) -> ExitCode:
    """Tell an error to whoever ran the command; the traceback only where it was asked for.

    Returns:
        The exit code.
    """
    if isinstance(error, ConvoyError):
        _tell(error, str(error))
        return ExitCode.UNREACHABLE if isinstance(error, TransientError) else error.exit_code
    first_line = (str(error).strip() or "no message").split("\n", 1)[0]
    where = "" if _debugging() else f"; {_keep_traceback(error)}"
    _tell(error, f"this is a fault of pgconvoy's own: {type(error).__name__}: {first_line}{where}")
    return ExitCode.INCOMPLETE


def _tell(error: Exception, sentence: str) -> None:
    if _debugging():
        sys.stderr.write(printable_lines(redact("".join(traceback.format_exception(error)))))
    sys.stderr.write(f"producer: {printable(redact(sentence))}\n")


def _debugging() -> bool:
    return os.environ.get(DEBUG_VARIABLE, "") not in ("", "0")


def _keep_traceback(error: Exception) -> str:
    try:
        path = _log_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(printable_lines(redact("".join(traceback.format_exception(error)))))
    except (OSError, ConvoyError):
        return "run it again with `producer --debug …` to see where"
    return f"its traceback is in {path}"


def _log_path() -> Path:
    from shared.settings import load_settings  # noqa: PLC0415 - no wrong option needs pydantic, only our own faults do

    return load_settings().home.expanduser() / "logs" / f"failure-{datetime.now(UTC):%Y%m%d-%H%M%S}.log"
