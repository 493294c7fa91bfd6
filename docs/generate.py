"""Write what docs can take from the code itself: ``python docs/generate.py``; ``--check`` only compares.

commands.md is made whole; in architecture.md and fidelity.md the blocks between ``<!-- generated: NAME -->`` and
``<!-- end -->``.
"""  # noqa: INP001 - a folder of pages, no package

from __future__ import annotations

import ast
import enum
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, get_args

import generate_fidelity
from pydantic_core import PydanticUndefined
from typer.models import ArgumentInfo, OptionInfo

from producer.cli import app
from shared.ledger import states
from shared.settings import Settings

DOCS: Final = Path(__file__).resolve().parent
_BLOCK: Final = re.compile(r"(<!-- generated: ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_OVERRIDDEN: Final = {
    "source_url": "--source",
    "target_url": "--target",
    "broker_url": "--broker",
    "target_schema": "--schema",
    "snapshot_dir": "--snapshot-dir",
    "workers": "--workers",
    "chunk_mb": "--chunk-mb",
}
"""Settings that a command's option overrides; `producer.session.settings_of` takes them."""
_HEAD: Final = """\
# Commands and settings
This page is made by `make docs` from the program itself, so it says what `producer COMMAND --help` says.

JOB is a job's number; left out, it is the latest. `--debug` and `--version` stand before the command:
`producer --debug start …` shows tracebacks.

"""
_SETTINGS_HEAD: Final = """\
## Settings
Each is read from, in this order: the command's option, the environment, the file `.env` in the working folder,
`/run/secrets` (a file named like the setting, such as `/run/secrets/pgconvoy_target_url`), and `pgconvoy.toml` in the
working folder (the name without `PGCONVOY_`, in small letters). An empty variable counts as unset. What Docker Compose
and the Procfile read besides stands in [.env.example](../.env.example).

| setting | default | meaning | option |
| --- | --- | --- | --- |
"""


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` name those that are stale; returns the exit code."""
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if arguments == ["--check"]:
            sys.stderr.write(f"{path.name} is stale: run `make docs`\n")
        else:
            path.write_text(pages()[path])
    return 1 if stale and arguments == ["--check"] else 0


def pages() -> Mapping[Path, str]:
    """Every page that holds something made from the code, as it should be."""
    partly = [path for name in ("architecture.md", "fidelity.md") if (path := DOCS / name).exists()]
    return {
        DOCS / "commands.md": commands_page(),
        **{
            path: _BLOCK.sub(lambda found: found[1] + _BLOCKS[found[2]]() + found[3], path.read_text())
            for path in partly
        },
    }


def commands_page() -> str:
    """Render every command with its options, and every setting."""
    commands = {
        command.name or callback.__name__: callback
        for command in app.registered_commands
        if (callback := command.callback) is not None
    }
    listed = "".join(f"| [`{name}`](#producer-{name}) | {_sentence(each)} |\n" for name, each in commands.items())
    told = "".join(_command(name, each) for name, each in commands.items())
    return f"{_HEAD}| command | does |\n| --- | --- |\n{listed}\n{told}{_SETTINGS_HEAD}{''.join(_settings())}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Option:
    """An option of a command, as its signature declares it."""

    info: OptionInfo
    type: str
    default: Any

    @property
    def names(self) -> tuple[str, ...]:
        """Every way to write it; Typer takes the first one for a default until it builds the command."""
        return (str(self.info.default), *(self.info.param_decls or ()))


def options_of(callback: Callable[..., Any]) -> Iterator[_Option]:
    """Yield a command's options."""
    for parameter in inspect.signature(callback, eval_str=True).parameters.values():
        declared, *told = get_args(parameter.annotation) or (None,)
        for info in told:
            if isinstance(info, OptionInfo):
                yield _Option(info=info, type=str(declared), default=parameter.default)


def _command(name: str, callback: Callable[..., Any]) -> str:
    parameters = inspect.signature(callback, eval_str=True).parameters.values()
    told = [told for each in parameters for told in get_args(each.annotation) if isinstance(told, ArgumentInfo)]
    rows = "".join(_row(option) for option in options_of(callback))
    usage = f"producer {name} [OPTIONS]" + "".join(f" {each.metavar or '[JOB]'}" for each in told)
    table = f"| option | meaning |\n| --- | --- |\n{rows}\n"
    return f"## producer {name}\n{inspect.getdoc(callback)}\n\n```\n{usage}\n```\n{table}"


def _row(option: _Option) -> str:
    default = option.default
    value = option.info.metavar or ""
    if isinstance(default, enum.Enum):
        value = "|".join(type(default))
    elif not value and default is not False:
        value = "PATH" if "Path" in option.type else "N"
    shown = f"; default: `{default}`" if isinstance(default, enum.Enum | int) and default is not False else ""
    argument = f" `{_cell(value)}`" if value else ""
    names = ", ".join(f"`{name}`" for name in option.names)
    return f"| {names}{argument} | {_cell(option.info.help or '').rstrip('.')}{shown} |\n"


def _settings() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        if name in Settings.FILE_ONLY:
            continue
        default = "" if field.default in (None, PydanticUndefined) else f"`{field.default}`"
        default = "`~/.local/share/pgconvoy`" if name == "home" else default
        option = f"`{_OVERRIDDEN[name]}`" if name in _OVERRIDDEN else ""
        yield f"| `PGCONVOY_{name.upper()}` | {default} | {_cell(field.description or '').rstrip('.')} | {option} |\n"


def _diagram(moves: Mapping[Any, frozenset[Any]], first: enum.StrEnum) -> str:
    """Render moves as a Mermaid diagram."""
    arrows = [f"    {start} --> {end}\n" for start in type(first) for end in type(first) if end in moves.get(start, ())]
    return f"```mermaid\nstateDiagram-v2\n    [*] --> {first}\n{''.join(arrows)}```\n"


def _meanings(states_of: type[enum.StrEnum]) -> str:
    """Render what the code says of each state, from the texts below its members."""
    tree = ast.parse(inspect.getsource(states))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == states_of.__name__)
    rows = ""
    for member, text in pairwise(body):
        if isinstance(member, ast.Assign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            name = ast.literal_eval(member.value)
            rows += f"| `{name}` | {_cell(str(text.value.value))} |\n"
    return f"| state | meaning |\n| --- | --- |\n{rows}"


def _block(moves: Mapping[Any, frozenset[Any]], first: enum.StrEnum) -> Callable[[], str]:
    return lambda: _diagram(moves, first) + "\n" + _meanings(type(first))


_BLOCKS: Final[Mapping[str, Callable[[], str]]] = {
    "chunk states": _block(states.CHUNK_MOVES, states.ChunkState.PENDING),
    "build states": _block(states.BUILD_MOVES, states.BuildState.PENDING),
    "table states": _block(states.TABLE_MOVES, states.TableState.PENDING),
    "job states": _block(states.JOB_MOVES, states.JobState.PLANNED),
    **generate_fidelity.BLOCKS,
}


def _sentence(callback: Callable[..., Any]) -> str:
    return _cell((inspect.getdoc(callback) or "").splitlines()[0])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
