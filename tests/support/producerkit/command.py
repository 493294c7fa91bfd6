"""Running `producer` as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fleetkit.forked import start_process

_PRODUCER = Path(sys.executable).parent / "producer"
_LONGEST_RUN_S = 240


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)

    def __str__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Producer:
    """Runs `producer` with one environment: a target, a broker, and a home of the test's own.

    With `by_itself`, its processes are not forked off (`fleetkit.forked`): for tests that look at command lines.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path, *, by_itself: bool = False) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PGCONVOY_")}
        self._environment = inherited | {"PGCONVOY_HOME": str(folder / "home"), "COLUMNS": "160"} | dict(environment)
        self._folder = folder
        self._start = subprocess.Popen if by_itself else partial(start_process, "producer")

    def __call__(self, *arguments: str | Path, code: int | None = 0) -> Outcome:
        """Run to the end; asserts the exit code unless `code` is None."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=_LONGEST_RUN_S)
        outcome = Outcome(process.returncode, out, err)
        assert code is None or outcome.code == code, str(outcome)
        return outcome

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start without waiting."""
        return self._start(
            [str(_PRODUCER), *map(str, arguments)],
            env=self._environment,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
