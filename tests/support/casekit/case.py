"""Reading a case, and making its source."""

from __future__ import annotations

import re
import shutil
import sqlite3
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from shared.records.plan import JobOptions

_OPTIONS = TypeAdapter(JobOptions)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A folder of tests/cases.

    ``source.sql``    what sqlite3 runs to make the source
    ``case.toml``     ``about``: the behaviour in a sentence; ``[options]``: of `JobOptions`; ``[[rules]]``: as in
                      pgconvoy.toml; ``[[runs]]``: options of several jobs, one after the other, instead of one;
                      ``[source]``: how the file is made odd (see `_make_odd`); ``queries``: SQL whose rows are
                      expected too; ``refused``: SQL that the target must refuse, with its SQLSTATE expected
    ``target.sql``    what the target holds before (optional)
    ``expected.json`` what must come of it
    """

    folder: Path
    about: str
    runs: tuple[JobOptions, ...]
    source: Mapping[str, Any] = field(default_factory=dict)
    queries: Sequence[str] = ()
    refused: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def target_sql(self) -> str:
        """What the target holds before."""
        path = self.folder / "target.sql"
        return path.read_text() if path.exists() else ""

    def make_source(self, path: Path) -> None:
        """Make the source database."""
        building = path.with_suffix(".building")
        connection = sqlite3.connect(building)
        # What applications register with SQLite, and PostgreSQL knows nothing of.
        connection.create_collation("UNKNOWN", lambda a, b: (a > b) - (a < b))
        connection.create_function("regexp", 2, lambda pattern, text: bool(re.search(pattern, text)))
        with closing(connection):
            connection.executescript((self.folder / "source.sql").read_text())
            connection.commit()
            if self.source.get("keep_wal"):
                # Copied while the writer is there: closing would move the WAL's content into the file.
                shutil.copy(building.with_name(building.name + "-wal"), path.with_name(path.name + "-wal"))
                shutil.copy(building, path)
        if not self.source.get("keep_wal"):
            building.rename(path)
        _make_odd(path, self.source)


def _make_odd(path: Path, how: Mapping[str, Any]) -> None:
    """Overwrite bytes (``damage = [{at = 4096, bytes = "00ff"}]``), fill pages, cut the file, or scramble it."""
    content = bytearray(path.read_bytes())
    for wound in how.get("damage", ()):
        raw = bytes.fromhex(wound["bytes"]) * wound.get("times", 1)
        content[wound["at"] : wound["at"] + len(raw)] = raw
    if "size" in how:
        content = content[: how["size"]]
    path.write_bytes(bytes(content))


def cases_in(folder: Path) -> list[Case]:
    """Read all cases, by name."""
    return [_read(path.parent) for path in sorted(folder.glob("*/source.sql"))]


def _read(folder: Path) -> Case:
    path = folder / "case.toml"
    given = tomllib.loads(path.read_text())
    unknown = given.keys() - {"about", "options", "rules", "runs", "source", "queries", "refused"}
    if unknown:
        msg = f"{path} says {', '.join(sorted(unknown))}, which no case has"
        raise ValueError(msg)
    common = {"rules": given.get("rules", ()), **given.get("options", {})}
    return Case(
        folder=folder,
        about=given["about"],
        runs=tuple(_OPTIONS.validate_python({**common, **run}) for run in given.get("runs", [{}])),
        source=given.get("source", {}),
        queries=given.get("queries", ()),
        refused=given.get("refused", ()),
    )
