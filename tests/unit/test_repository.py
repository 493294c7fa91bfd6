"""What is written down beside the code agrees with the code: settings, processes, versions, names of files."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from shared.messages import CONTROL_QUEUE, COPY_QUEUE, QUEUES, VERIFY_QUEUE
from shared.settings import Settings

_ROOT = Path(__file__).resolve().parents[2]
_COMPOSE = (_ROOT / "docker-compose.yml").read_text()
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text())
_PACKAGES = ("producer", "workers", "shared")
# What the workers' containers set themselves, have no use for, or get as files.
_NOT_HANDED_ON = {"PGCONVOY_HOME", "PGCONVOY_WORKERS", "PGCONVOY_TARGET_PASSWORD", "PGCONVOY_BROKER_PASSWORD"}


def _variable(name: str) -> str:
    return f"PGCONVOY_{name.upper()}"


def _shown_default(name: str) -> str:
    field = Settings.model_fields[name]
    if name == "home":
        return "~/.local/share/pgconvoy"
    if field.default is None or field.default is PydanticUndefined:
        return ""
    return f"{field.default:g}" if isinstance(field.default, float) else str(field.default)


def _documented_settings() -> str:
    return "".join(
        f"# {field.description}\n# {_variable(name)}={_shown_default(name)}\n"
        for name, field in Settings.model_fields.items()
        if name not in Settings.FILE_ONLY
    )


def _files(*endings: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=_ROOT, capture_output=True, text=True, check=True).stdout
    return [_ROOT / name for name in listed.splitlines() if name.endswith(endings) and (_ROOT / name).exists()]


def test_the_example_lists_every_setting_with_its_default() -> None:
    """What `.env.example` says of pgconvoy's own settings is what the code says."""
    own = (_ROOT / ".env.example").read_text().partition("# ---- pgconvoy ----\n")[2]
    assert own == _documented_settings()


def test_every_setting_says_what_it_is() -> None:
    """Descriptions go into the example and into the docs."""
    assert all(field.description for field in Settings.model_fields.values())


def test_the_example_lists_every_variable_of_compose_and_procfile() -> None:
    """Nobody has to read the YAML to know what can be set."""
    used = set(re.findall(r"\$\{([A-Z_]+)", _COMPOSE + (_ROOT / "Procfile").read_text()))
    listed = set(re.findall(r"^(?:# )?([A-Z_]+)=", (_ROOT / ".env.example").read_text(), re.MULTILINE))
    assert used - listed == {"PORT"}  # it belongs to the process manager


def test_compose_hands_every_setting_on_to_the_containers() -> None:
    """A setting in `.env` works in containers as it does on the host."""
    handed_on = set(re.findall(r"^ +(PGCONVOY_[A-Z_]+):", _COMPOSE, re.MULTILINE))
    missing = (
        {_variable(name) for name in Settings.model_fields.keys() - Settings.FILE_ONLY} - handed_on - _NOT_HANDED_ON
    )
    assert missing == set()


def test_compose_and_procfile_run_the_same_processes() -> None:
    """Both know worker, controller and Flower, and together they consume every queue."""
    procfile = dict(
        line.split(": ", 1) for line in (_ROOT / "Procfile").read_text().splitlines() if not line.startswith("#")
    )
    assert set(procfile) == {"worker", "controller", "flower"}
    assert set(re.findall(r"^  (\w+):$", _COMPOSE.partition("services:")[2], re.MULTILINE)) >= set(procfile)
    consumed = {"worker": f"{COPY_QUEUE},{VERIFY_QUEUE}", "controller": CONTROL_QUEUE}
    for process, queues in consumed.items():
        assert f"--queues={queues} " in procfile[process]
        assert f"- --queues={queues}\n" in _COMPOSE
    assert set(",".join(consumed.values()).split(",")) == set(QUEUES)


@pytest.mark.parametrize("process", ["worker", "controller", "flower"])
def test_procfile_lines_are_sound_shell(process: str) -> None:
    """The shell can read them."""
    line = next(line for line in (_ROOT / "Procfile").read_text().splitlines() if line.startswith(f"{process}: "))
    subprocess.run(["sh", "-n", "-c", line.split(": ", 1)[1]], check=True)


def test_every_dependency_is_pinned_for_every_python() -> None:
    """`constraints.txt` covers pyproject.toml, with versions alone: no place to fetch them from."""
    pins = (_ROOT / "constraints.txt").read_text()
    assert "--" not in pins
    assert "://" not in pins
    assert "@" not in pins
    pinned = {line.split("==")[0].lower() for line in pins.splitlines() if "==" in line}
    extras = [name for extra in _PROJECT["project"]["optional-dependencies"].values() for name in extra]
    for requirement in [*_PROJECT["project"]["dependencies"], *extras]:
        assert re.split(r"[<>=\[]", requirement)[0].lower() in pinned


def test_every_package_is_installed() -> None:
    """A package that setuptools is not told of would be missing from the image."""
    listed = set(_PROJECT["tool"]["setuptools"]["packages"])
    found = {
        ".".join(folder.relative_to(_ROOT).parts)
        for package in _PACKAGES
        for folder in [_ROOT / package, *(_ROOT / package).rglob("*")]
        if (folder / "__init__.py").exists()
    }
    assert listed == found


def test_no_module_is_named_like_one_of_the_standard_library() -> None:
    """Nor is a folder named for a lack of a name."""
    import sys  # noqa: PLC0415 - for this alone

    names = {path.stem for package in _PACKAGES for path in (_ROOT / package).rglob("*.py")}
    folders = {path.name for package in _PACKAGES for path in (_ROOT / package).rglob("*") if path.is_dir()}
    assert names & (sys.stdlib_module_names - {"__init__", "__main__"}) == set()
    assert (names | folders) & {"utils", "helpers", "common"} == set()


def test_every_exception_from_a_lint_has_its_reason() -> None:
    """A bare noqa tells nobody why."""
    bare = [
        f"{path.relative_to(_ROOT)}: {line.strip()}"
        for path in _files(".py")
        for line in path.read_text().splitlines()
        if re.search(r"# noqa(?!: [A-Z0-9, ]+ - \S)", line)
    ]
    assert [line for line in bare if "re.search" not in line and "a bare noqa" not in line] == []


def test_make_without_a_target_prints_what_there_is() -> None:
    """Every target of the README is listed."""
    make = shutil.which("make")
    if make is None:
        pytest.skip("no make on this machine")
    told = subprocess.run([make, "--no-print-directory"], cwd=_ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("setup", "demo", "test", "lint", "bench", "lock", "secrets", "audit"):
        assert re.search(rf"^make {target} ", told, re.MULTILINE)


def test_the_scripts_exist() -> None:
    """The console script and CI's entry are there; CI's can be run."""
    scripts: dict[str, Any] = _PROJECT["project"]["scripts"]
    module = scripts["producer"].split(":")[0].replace(".", "/")
    assert (_ROOT / f"{module}.py").exists()
    assert (_ROOT / ".ci" / "run").stat().st_mode & 0o111
