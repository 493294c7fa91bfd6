"""A process that has imported what a worker or a command imports, and forks off one of them an order.

Run by `fleetkit.forked`: ``python fork_server.py PROGRAM SOCKET``, with PROGRAM one of `PROGRAMS`.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import Any

PROGRAMS = {
    "producer": ("producer.cli", ("shared.ledger.upgrade", "alembic.command", "kombu.transport.redis")),
    "celery": (
        "celery.__main__",
        (
            "celery.bin.celery",
            "celery.apps.worker",
            "celery.apps.beat",
            "celery.backends.redis",
            "celery.concurrency.prefork",
            "celery.fixups.django",
            "celery.worker.components",
            "celery.worker.consumer",
            "celery.worker.autoscale",
            "celery.worker.control",
            "kombu.transport.redis",
            "workers.tasks",
        ),
    ),
}
"""By name: the module whose `main` is the program, and what it imports on its way."""
LONGEST = 150_000
"""Bytes of an order: below what a socket takes at once."""


def main() -> None:
    """Import, then fork off until whoever gives orders is gone; in each forked process, be the program."""
    del sys.path[0]  # this folder
    module, imported = PROGRAMS[sys.argv[1]]
    program = importlib.import_module(module)
    for name in imported:
        importlib.import_module(name)
    gc.freeze()  # what is there stays: no reason for each process to look through it again
    _serve(socket.socket(fileno=int(sys.argv[2])))
    sys.exit(program.main())


def _serve(orders: socket.socket) -> None:
    """Take orders; returns in each forked process."""
    ends: dict[int, int] = {}
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    signal.set_wakeup_fd(waking)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([orders, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _tell_ends(ends)
        if orders in ready:
            order, files, _, _ = socket.recv_fds(orders, LONGEST, 4)
            if not order:
                os._exit(0)
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                orders.close()
                for file in (woken, waking, *ends.values()):
                    os.close(file)
                _become(json.loads(order), files)
                return
            for file in files[:3]:
                os.close(file)
            ends[pid] = files[3]
            _tell(files[3], pid)


def _tell_ends(ends: dict[int, int]) -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = ended
            _tell(ends[pid], status)
            os.close(ends.pop(pid))


def _tell(file: int, number: int) -> None:
    with suppress(BrokenPipeError):  # nobody waits for it any more
        os.write(file, number.to_bytes(4, "big"))


def _become(order: dict[str, Any], files: list[int]) -> None:
    """Have the session, streams, folder, environment and arguments that the process would have been started with."""
    if order["new_session"]:
        os.setsid()
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
    for file in files:
        os.close(file)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    sys.argv[:] = order["arguments"]


if __name__ == "__main__":
    main()
