"""Every command explains itself, and nothing is offered that is not there."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from producer.cli import app, main

COMMANDS = (
    "start",
    "plan",
    "status",
    "jobs",
    "pause",
    "unpause",
    "throttle",
    "requeue",
    "resume",
    "cancel",
    "rollback",
    "verify",
    "rejects",
    "check",
    "report",
    "demo",
)
runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})


def help_of(*arguments: str) -> str:
    """What a command's --help prints."""
    shown = runner.invoke(app, [*arguments, "--help"])
    assert shown.exit_code == 0, shown.output
    return shown.output


def test_the_program_names_its_commands() -> None:
    """`producer --help` lists every command, each with a sentence."""
    lines = help_of().splitlines()
    for command in COMMANDS:
        (line,) = [line for line in lines if line.strip("│ ").split(" ")[0] == command]
        assert line.rstrip("│ ").endswith(".")


def test_no_command_is_offered_that_is_not_built() -> None:
    """The list of commands is exactly the one that is documented."""
    offered = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    assert offered == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_its_options(command: str) -> None:
    """Each option has a help text, in one line where the terminal is wide."""
    options = [line for line in help_of(command).splitlines() if line.strip("│ ").startswith("-")]
    assert options
    for line in options:
        assert len(line.strip("│ ").split("  ")[-1].strip()) > 10, line


@pytest.mark.parametrize(
    "option",
    [
        "--tables",
        "--exclude",
        "--dry-run",
        "--limit",
        "--schema-only",
        "--data-only",
        "--recreate",
        "--on-conflict",
        "--chunk-mb",
        "--no-snapshot",
        "--no-verify",
        "--identifiers",
        "--detach",
        "--json",
        "--source",
        "--target",
        "--broker",
        "--workers",
        "--schema",
    ],
)
def test_start_has_its_options(option: str) -> None:
    """Every option of `start` that the guide speaks of is there."""
    assert option in help_of("start")


def test_without_a_command_the_program_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    """A person who types `producer` learns what it can do, and the exit code says that nothing was done."""
    assert main([]) == 2
    assert "start" in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """`producer --version` for bug reports."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("pgconvoy 0.")


def test_an_unknown_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage exits with 2 and names the option."""
    assert main(["start", "--tabels", "all"]) == 2
    assert "--tabels" in capsys.readouterr().err
