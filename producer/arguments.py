"""The options that commands share: name, help and how their text is read."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer

from shared.errors import OperatorError
from shared.records.plan import OnConflict, ProfileMode, TypesPolicy

_NAME: Final = re.compile(r'\s*(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>[^",\s][^,]*?)?)\s*(?:,|$)')
"""One name and the comma after it; in double quotes it may hold commas, spaces at its ends, and quotes doubled."""
JOB_HELP = "The job's number; left out: the latest."
LIMITS_HELP: Final = (
    "bytes a second (20MB/s), connections of the target that run a statement, whosever (connections=40), or the lag of"
    " its replicas (lag=5s)"
)

Job = Annotated[int | None, typer.Argument(min=1, show_default=False, help=JOB_HELP)]
Source = Annotated[
    str | None,
    typer.Option(
        "--source", metavar="URL", show_default=False, help="The database to copy: sqlite:///path or the path alone."
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        "--target", metavar="URL", show_default=False, help="PostgreSQL; left out: an embedded server that stays."
    ),
]
Broker = Annotated[
    str | None,
    typer.Option(
        "--broker", metavar="URL", show_default=False, help="Redis or RabbitMQ; left out: a fleet of the job's own."
    ),
]
MaxLoadOption = Annotated[
    list[str] | None,
    typer.Option(
        "--max-load",
        metavar="LIMIT",
        show_default=False,
        help=f"The load that the job may make: {LIMITS_HELP}; may be given several times.",
    ),
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, show_default=False, help="Worker processes of the local fleet.")
]
Schema = Annotated[
    str | None,
    typer.Option("--schema", metavar="NAME", show_default=False, help="The target's schema that tables go into."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout; what is told goes to stderr.")]
Detach = Annotated[bool, typer.Option("--detach", help="Return as soon as the job goes on by itself.")]
Tables = Annotated[
    list[str] | None,
    typer.Option(
        "--tables",
        metavar="all|A,B",
        show_default=False,
        help="Which tables: all (the default), or names with commas between them, in any case of letters; may be given"
        ' several times. In double quotes a name may hold commas, and "" stands for one quote; "all" is a name then.',
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="A,B", show_default=False, help="Tables to leave out, written as for --tables."),
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, show_default=False, help="Copy at most so many rows of each table.")
]
ChunkMb = Annotated[
    float | None, typer.Option("--chunk-mb", show_default=False, help="Source bytes a chunk, in MiB (32).")
]
SchemaOnly = Annotated[bool, typer.Option("--schema-only", help="Make the tables and their keys, copy no rows.")]
DataOnly = Annotated[bool, typer.Option("--data-only", help="Copy rows into tables that are there; make none.")]
Recreate = Annotated[
    bool,
    typer.Option(
        "--recreate", help="Replace tables of the same names; the old ones stay until the new ones are complete."
    ),
]
OnConflictOption = Annotated[
    OnConflict, typer.Option("--on-conflict", help="What becomes of a row whose key the target already holds.")
]
NoSnapshot = Annotated[
    bool, typer.Option("--no-snapshot", help="Read the file itself; nobody may write to it until the job has ended.")
]
NoVerify = Annotated[bool, typer.Option("--no-verify", help="Do not compare the values of both sides afterwards.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, as `producer plan`; write nothing.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Every column and object, with reasons.")]
Sql = Annotated[bool, typer.Option("--sql", help="Print the schema as SQL, and nothing else.")]
SnapshotDir = Annotated[
    Path | None,
    typer.Option("--snapshot-dir", show_default=False, help="Where the snapshot goes; every worker must see it."),
]


Types = Annotated[
    TypesPolicy,
    typer.Option(
        "--types",
        help="What decides where values and declared type of a column disagree: the values, which the type then holds"
        " all (lossless), or the declared type, and what it cannot hold is a reject (declared).",
    ),
]
Profile = Annotated[
    ProfileMode,
    typer.Option(
        "--profile",
        help="Look at every value before types are chosen (full), or at a bounded sample of large tables (sample).",
    ),
]
UndoLogOption = Annotated[
    bool,
    typer.Option(
        "--undo-log",
        help="Keep what the job does to rows of tables that were there before, so that `rollback` can take it back.",
    ),
]
Salvage = Annotated[bool, typer.Option("--salvage", help="Copy a damaged source as far as it can be read.")]


class Identifiers(enum.StrEnum):
    """What becomes of names."""

    LOWER = "lower"
    PRESERVE = "preserve"


IdentifiersOption = Annotated[
    Identifiers, typer.Option("--identifiers", help="Fold names to lower case, or keep them as they are.")
]


class _Name(NamedTuple):
    text: str
    is_quoted: bool


def names_of(given: list[str] | None) -> tuple[str, ...]:
    """Read names with commas between them; a name in double quotes may hold commas itself.

    Raises:
        OperatorError: where a quote is not closed, or something follows a closed one.
    """
    return tuple(name.text for name in _names(given))


def tables_of(given: list[str] | None) -> tuple[str, ...]:
    """Read ``--tables``: ``all`` means every table, which the job's options spell as none.

    Raises:
        OperatorError: as `names_of`; and where no name is given, as an unset variable of a script does.
    """
    names = tuple(_names(given))
    if given and not names:
        msg = "--tables names no table: leave it out or say `--tables all` to copy every table"
        raise OperatorError(msg)
    return () if names in {(), (_Name("all", is_quoted=False),)} else tuple(name.text for name in names)


def _names(given: list[str] | None) -> Iterator[_Name]:
    for text in given or ():
        place = 0
        while place < len(text):
            found = _NAME.match(text, place)
            if found is None:
                msg = (
                    f"the names {text!r} cannot be read from {text[place:].strip()!r} on: a name that begins with a"
                    ' double quote ends with one, and quotes inside it are doubled: "a ""b"", c"'
                )
                raise OperatorError(msg)
            place = found.end()
            if found["quoted"]:
                yield _Name(found["quoted"].replace('""', '"'), is_quoted=True)
            elif found["plain"]:
                yield _Name(found["plain"], is_quoted=False)


def refuse_together(first: str, second: str, *, both: bool) -> None:
    """Refuse two options that exclude each other.

    Raises:
        OperatorError: names them.
    """
    if both:
        msg = f"{first} and {second} exclude each other: leave one of them out"
        raise OperatorError(msg)
