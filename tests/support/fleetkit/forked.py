"""Workers and commands that begin with everything imported: forked off a process that has done so once.

Importing is most of what a command of the suite costs, and two seconds of a processor a worker; there are hundreds of
them. What runs after the imports is the same program in a process of its own: its session, streams, folder,
environment and arguments are the given ones. Only its command line, as the system shows it, is another's.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleetkit.run_folder import note_started

_SERVER = Path(__file__).with_name("fork_server.py")
_EARLY = ("LANG", "LC_", "LD_", "MALLOC_", "PYTHON", "REMAP_")
"""Variables that are read before, or while, modules are imported: where they are others, a process starts by itself."""


def start_process(program: str, command: list[str], *, env: Mapping[str, str], **options: Any) -> subprocess.Popen[Any]:
    """Start ``command``, which is `program` (one of `fork_server.PROGRAMS`), as `subprocess.Popen` would."""
    if not sys.platform.startswith("linux") or not _server(program).serves(env):
        return subprocess.Popen(command, env=dict(env), **options)
    return _Forked(command, executable=program, env=dict(env), **options)


class _Server:
    """A running fork server."""

    def __init__(self, program: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PGCONVOY_")}
        environment = inherited | ({"REMAP_SIGTERM": "SIGQUIT"} if program == "celery" else {})
        self._early = _early(environment)
        self.orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(_SERVER), program, str(theirs.fileno())],
                env=environment,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        note_started(self._process.pid)

    def serves(self, environment: Mapping[str, str]) -> bool:
        """Whether it runs, and began with what a process of this environment would begin with."""
        return self._process.poll() is None and _early(environment) == self._early


@functools.cache
def _server(program: str) -> _Server:
    return _Server(program)


def _early(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_EARLY)}


class _Forked(subprocess.Popen[Any]):
    """A process that another one forks off; its `executable` names the program."""

    def _execute_child(self, args: Any, executable: Any, *given: Any) -> None:
        """Order it; takes what every supported Python's Popen gives."""
        _, _, _, cwd, env, _, _, _, p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, *more = given
        *_, new_session, _ = more
        self._told, theirs = os.pipe()
        arguments = args[2:] if args[1] == "-m" else args
        order = {"arguments": arguments, "folder": str(cwd), "environment": env, "new_session": new_session}
        files = [own if file == -1 else file for own, file in enumerate((p2cread, c2pwrite, errwrite))]
        try:
            socket.send_fds(_server(executable).orders, [json.dumps(order).encode()], [*files, theirs])
        finally:
            os.close(theirs)
        self.pid = int.from_bytes(os.read(self._told, 4), "big")
        assert self.pid, f"the process that forks off each {executable} has ended"
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        os.set_blocking(self._told, not wait_flags & os.WNOHANG)
        try:
            told = os.read(self._told, 4)
        except BlockingIOError:
            return 0, 0
        os.close(self._told)
        return self.pid, int.from_bytes(told, "big") if told else signal.SIGKILL

    def _internal_poll(self, _deadstate: int | None = None) -> int | None:
        if self.returncode is None and self._waitpid_lock.acquire(blocking=False):  # type: ignore[attr-defined]
            try:
                pid, status = self._try_wait(os.WNOHANG)
                if pid:
                    self._handle_exitstatus(status)  # type: ignore[attr-defined]
            finally:
                self._waitpid_lock.release()  # type: ignore[attr-defined]
        return self.returncode
