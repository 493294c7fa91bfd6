"""A convoy of containers for one test: brought up from the project's own docker-compose.yml, and taken down whole."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]
_SECONDS = 600  # only to keep a broken test from hanging; an image build may be part of it


def docker_problem() -> str | None:
    """Say why containers can't be run here, or None where they can."""
    if shutil.which("docker") is None:
        return "no docker on this machine"
    for asked, missing in ((["info"], "no Docker engine runs"), (["compose", "version"], "docker has no Compose")):
        if subprocess.run(["docker", *asked], capture_output=True, check=False).returncode:
            return missing
    return None


class Compose:
    """One project of Docker Compose, with a name, an image tag and settings of its own."""

    def __init__(self, project: str, settings: Path, variables: dict[str, str]) -> None:
        """Write the settings file that an operator would call ``.env``."""
        settings.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
        self._command = ["docker", "compose", "--project-name", project, "--env-file", str(settings)]
        self._image = variables["PGCONVOY_IMAGE"]

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a subcommand of ``docker compose``; what it printed is in the result, or in the error."""
        # The shell's own variables would win over the file's.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PGCONVOY_")}
        done = subprocess.run(
            [*self._command, *arguments],
            cwd=_ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if check and done.returncode:
            msg = f"docker compose {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
            raise AssertionError(msg)
        return done

    def ask(self, question: str) -> str:
        """Ask the PostgreSQL of the project."""
        psql = ("psql", "--username=pgconvoy", "--no-psqlrc", "--tuples-only", "--no-align", "--command", question)
        return self.run("exec", "--no-TTY", "postgres", *psql).stdout.strip()

    def down(self) -> None:
        """Take everything away: containers, network, volumes, image."""
        self.run("--profile", "tools", "down", "--volumes", "--remove-orphans", "--timeout", "5", check=False)
        subprocess.run(["docker", "image", "rm", "--force", self._image], capture_output=True, check=False)
