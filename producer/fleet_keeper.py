"""The parent of a local fleet's processes: ends them when the producer ends, in whatever way that ends.

``python -m producer.fleet_keeper RECORD FOLDER -- REDIS… -- WORKER…`` starts both programs and reads its
standard input, which the producer never closes while it lives. When the input ends (the producer closed it,
crashed or was killed), the worker is asked to stop, what is left is killed, and the fleet's folder and record are
removed. A producer whose job has ended writes one byte first: then nothing is asked, since nothing runs that could
be lost, and Celery takes two seconds to stop. The record serves where the keeper itself was killed: see
`producer.fleet_records`.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from producer.fleet_records import write_record

# Above the 5 s in which the local fleet's workers may end what they do; tests saw 2 s more.
WORKER_STOP_SECONDS = 15
_REDIS_STOP_SECONDS = 3
NOTHING_RUNS = b"."
"""What the producer writes when its job has ended."""
_LOOK_SECONDS = 0.25
_END = "--"


def main(arguments: list[str]) -> int:
    """Run a fleet until the input ends (0) or one of its programs does (1)."""
    record, folder = Path(arguments[0]), Path(arguments[1])
    redis_command, worker_command = _split(arguments[3:])
    signal.signal(signal.SIGTERM, _leave)
    running: list[subprocess.Popen[bytes]] = []
    try:
        for command in (redis_command, worker_command):
            running.append(_start(command))
            write_record(record, folder, [process.pid for process in running])
        return _await_end(running)
    finally:
        patience = (0, 0) if _nothing_runs() else (WORKER_STOP_SECONDS, _REDIS_STOP_SECONDS)
        for process, seconds in zip(reversed(running), patience, strict=False):
            _stop(process, seconds)
        shutil.rmtree(folder, ignore_errors=True)
        record.unlink(missing_ok=True)


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    middle = arguments.index(_END)
    return arguments[:middle], arguments[middle + 1 :]


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that all its processes can be ended together."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 - our own programs


def _await_end(running: list[subprocess.Popen[bytes]]) -> int:
    while all(process.poll() is None for process in running):
        ended, _, _ = select.select([sys.stdin], [], [], _LOOK_SECONDS)
        if ended:
            return 0
    return 1


def _nothing_runs() -> bool:
    """Whether the producer said, before it closed our input, that the job has ended."""
    readable, _, _ = select.select([sys.stdin], [], [], 0)
    return bool(readable) and os.read(sys.stdin.fileno(), 1) == NOTHING_RUNS


def _stop(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Ask a program to stop, unless it gets no time to, and kill what is left of it."""
    if seconds:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    with suppress(ProcessLookupError):  # its pool processes, or all of it
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
