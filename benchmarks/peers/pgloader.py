"""pgloader, as its manual shows it: it makes its own tables, in types of its own choice, and verifies nothing."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from benchmarks.convoy import RunError, ended
from benchmarks.server import address

_LONGEST_S = 1800


def available() -> str | None:
    """Why it is skipped; None where it is there."""
    return None if shutil.which("pgloader") else "pgloader is not on the PATH (Debian: apt-get install pgloader)"


def version() -> str:
    """Its version."""
    said = subprocess.run(["pgloader", "--version"], capture_output=True, text=True, check=False).stdout
    return said.splitlines()[0].removeprefix("pgloader version ").strip('"') if said else "?"


def load(source: Path, url: str, folder: Path) -> float:
    """Load a file over the server's Unix socket; returns seconds by the clock.

    Raises:
        RunError: where it fails or takes more than half an hour.
    """
    sockets, name = address(url)
    log = folder / "pgloader.log"
    begin = time.perf_counter()
    with log.open("w") as output:
        try:
            done = subprocess.run(
                ["pgloader", str(source), f"postgresql://postgres@unix:{sockets}:5432/{name}"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_LONGEST_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            msg = f"pgloader was ended after {_LONGEST_S} s"
            raise RunError(msg) from None
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise RunError(ended("pgloader", done.returncode, log))
    return seconds
