"""The pages say what the code does: commands, options, settings, states, exit codes, links and paths."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest
import typer.main
from typer.testing import CliRunner

from producer.cli import app
from shared.errors import ExitCode
from shared.ledger.tables import metadata
from shared.settings import Settings

_ROOT = Path(__file__).resolve().parents[2]
_DOCS = _ROOT / "docs"
_COMMANDS = (_DOCS / "commands.md").read_text()
_ARCHITECTURE = (_DOCS / "architecture.md").read_text()
_CODE_BLOCK = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_OF_THE_PROGRAM = {"--debug", "--version", "--help", "-h"}


def pages() -> list[Path]:
    """Every page of the repository."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=_ROOT, capture_output=True, text=True, check=True).stdout
    return [_ROOT / name for name in listed.splitlines() if (_ROOT / name).exists()]


def _named(page: Path) -> str:
    return str(page.relative_to(_ROOT))


def _options_by_command() -> dict[str, set[str]]:
    """What the built program itself offers."""
    runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    found = {}
    for name in typer.main.get_command(app).commands:  # type: ignore[attr-defined]
        shown = runner.invoke(app, [name, "--help"]).output
        lines = [line.strip("│ ") for line in shown.splitlines()]
        found[name] = {
            option
            for line in lines
            if line.startswith("-")
            for option in re.findall(r"(?<![\w-])--?[a-z-]+", line[:30])
        }
    return found


OPTIONS = _options_by_command()


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """The script that makes pages from the code."""
    sys.path.insert(0, str(_DOCS))  # the script imports its neighbour
    specification = importlib.util.spec_from_file_location("generate_docs", _DOCS / "generate.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look themselves up there
    specification.loader.exec_module(module)
    return module


def command_lines(text: str) -> Iterator[str]:
    """Every command line of `producer` that a page shows: in blocks, where it begins a line, and in spans of code."""
    for block in _CODE_BLOCK.findall(text):
        for line in block.splitlines():
            found = re.match(r"\s*(?:docker compose run --rm )?(producer(?: .*)?)$", line)
            if found:
                yield found[1]
    yield from re.findall(r"`(?:docker compose run --rm )?(producer(?: [^`\n]*)?)`", _CODE_BLOCK.sub("", text))


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", _CODE_BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_generated_pages_are_fresh(generate: ModuleType) -> None:
    """`make docs` would change nothing: commands, options, settings and states stand as the code has them."""
    stale = [path.name for path, text in generate.pages().items() if path.read_text() != text]
    assert stale == [], "run `make docs`"


def test_the_script_says_what_is_stale(
    generate: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` names stale pages and writes none; without it they are written."""
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    (tmp_path / "architecture.md").write_text("<!-- generated: chunk states -->\nout of date\n<!-- end -->\nkept\n")
    assert generate.main(["--check"]) == 1
    assert "commands.md is stale" in capsys.readouterr().err
    assert not (tmp_path / "commands.md").exists()
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    written = (tmp_path / "architecture.md").read_text()
    assert "pending --> copying" in written
    assert "out of date" not in written
    assert written.endswith("kept\n")


@pytest.mark.parametrize("command", OPTIONS)
def test_every_option_of_a_command_is_documented(command: str) -> None:
    """The page lists exactly the options that `--help` lists."""
    section = re.split(r"^## ", _COMMANDS.partition(f"\n## producer {command}\n")[2], flags=re.MULTILINE)[0]
    assert set(re.findall(r"`(--?[a-z-]+)`", section)) - {"--help"} == OPTIONS[command] - {"--help", "-h"}


def test_every_setting_is_documented() -> None:
    """The page lists exactly the settings that there are."""
    listed = set(re.findall(r"^\| `(PGCONVOY_[A-Z_]+)` \|", _COMMANDS, re.MULTILINE))
    assert listed == {f"PGCONVOY_{name.upper()}" for name in Settings.model_fields.keys() - Settings.FILE_ONLY}


def test_every_variable_of_the_pages_exists() -> None:
    """No page names a setting that nobody reads."""
    folders = ("producer", "workers", "shared", "tests/model")
    source = "".join(path.read_text() for folder in folders for path in _sources(folder))
    known = set(re.findall(r"PGCONVOY_[A-Z_]+", (_ROOT / ".env.example").read_text() + source))
    named = {name for page in pages() for name in re.findall(r"PGCONVOY_[A-Z]+(?:_[A-Z]+)*", page.read_text())}
    assert named - known == set()


def _sources(folder: str) -> list[Path]:
    return sorted((_ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("page", pages(), ids=_named)
def test_command_lines_use_what_exists(page: Path) -> None:
    """Every `producer …` of a page names a command that exists and options that this command has."""
    for line in command_lines(page.read_text()):
        words = shlex.split(line, comments=True)[1:]
        while words and words[0].startswith("-"):
            assert words.pop(0) in _OF_THE_PROGRAM, line
        if not words or not words[0].isascii() or words[0].isupper():  # `producer …`, `producer COMMAND --help`
            continue
        command, *rest = words
        assert command in OPTIONS, line
        given = {word.split("=")[0] for word in rest if word.startswith("-")}
        assert given - OPTIONS[command] - _OF_THE_PROGRAM == set(), line


@pytest.mark.parametrize("page", pages(), ids=_named)
def test_relative_links_lead_somewhere(page: Path) -> None:
    """Every link to a file or a heading of the repository is good."""
    for link in re.findall(r"\]\(([^)\s]+)\)", _CODE_BLOCK.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{_named(page)} links to {link}"
        if anchor:
            assert anchor in anchors(linked.read_text()), f"{_named(page)} links to {link}"


@pytest.mark.parametrize("page", [_ROOT / "README.md", _DOCS / "guide.md"], ids=_named)
def test_exit_codes_are_the_program_s(page: Path) -> None:
    """Each page that lists exit codes lists all of them and no other."""
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", page.read_text(), re.MULTILINE)} == set(ExitCode)


def test_the_pages_name_places_that_exist() -> None:
    """Each file and folder of 'where code lives' is there, and every package is named."""
    section = _ARCHITECTURE.partition("## Where code lives")[2].partition("\n## ")[0]
    named = set(re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", section))
    assert {place for place in named if not (_ROOT / place).exists()} == set()
    packages = {f"shared/{path.name}/" for path in (_ROOT / "shared").iterdir() if (path / "__init__.py").exists()}
    assert {"producer/", "workers/", "shared/", *packages} <= named


def test_modules_that_the_pages_name_exist() -> None:
    """A file that was renamed is renamed in the pages too."""
    for page in pages():
        for place in re.findall(r"`((?:producer|workers|shared|tests|docs)/[\w/]+\.\w+)`", page.read_text()):
            assert (_ROOT / place).exists(), f"{_named(page)} names {place}"


def test_the_ledgers_tables_are_told() -> None:
    """An operator finds each table of the ledger explained."""
    section = _ARCHITECTURE.partition("## The ledger")[2].partition("\n### ")[0]
    told = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    assert told == {table.name for table in metadata.tables.values()} | {"alembic_version"}


def test_the_index_lists_every_page() -> None:
    """Nobody has to list the folder to find a page."""
    index = (_DOCS / "README.md").read_text()
    assert {page.name for page in _DOCS.glob("*.md")} - {"README.md"} <= set(re.findall(r"\]\(([\w.]+)\)", index))
    decisions = (_DOCS / "decisions" / "README.md").read_text()
    pages_there = {page.name for page in (_DOCS / "decisions").glob("[0-9]*.md")}
    assert pages_there == set(re.findall(r"\]\(([\w.-]+\.md)\)", decisions))
