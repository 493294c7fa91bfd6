"""What tests of faults share: a PostgreSQL of a module's own, and a job on its way through a wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from faultkit import Cluster, Wire
from faultkit.rig import Rig
from fleetkit import Points, TestPostgres
from producerkit import make_source

from shared.points import POINTS_DIR_VARIABLE

ROWS = 10_000
SCRIPT = """
    CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL, ratio REAL, flag INTEGER);
    CREATE INDEX t_name ON t (name);
    CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES t (id));
"""


@pytest.fixture(scope="module")
def cluster(postgres_server: TestPostgres) -> Iterator[Cluster]:
    """A server of the module's own."""
    made = Cluster.make(postgres_server.programs)
    yield made
    made.close()


@pytest.fixture(scope="session")
def faulty_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 10,000 rows, six chunks, and a small one that refers to it."""
    rows = ((number, f"name {number} {'x' * 60}", number / 7, number % 2) for number in range(1, ROWS + 1))
    children = ((number, number * 3) for number in range(1, 101))
    return make_source(tmp_path_factory.mktemp("faulty") / "s.db", SCRIPT, {"t": rows, "child": children})


@pytest.fixture
def wire(cluster: Cluster) -> Iterator[Wire]:
    """A wire to the server."""
    with Wire(("127.0.0.1", cluster.port)) as between:
        yield between


@pytest.fixture
def make_rig(
    cluster: Cluster, wire: Wire, faulty_source: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Rig]]:
    """``make_rig(…)``: a job through the wire into a fresh database, for which nobody works yet."""
    with ExitStack() as open_until_the_end:

        def make(source: Path = faulty_source, *, before: str = "", record: bool = True, **settings: Any) -> Rig:
            database = open_until_the_end.enter_context(cluster.database())
            if before:
                cluster.run(before.replace("{database}", database), database=database)
            through, direct = cluster.url_of(database, port=wire.port), cluster.url_of(database)
            rig = Rig(source, through, monkeypatch, direct=direct, **settings)
            open_until_the_end.callback(rig.close)
            if record:
                rig.record()
            return rig

        yield make
        wire.disarm()


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """One such job with the usual settings."""
    return make_rig()


@pytest.fixture
def armed(points: Points, monkeypatch: pytest.MonkeyPatch) -> Points:
    """Points that this process's own workers see."""
    monkeypatch.setenv(POINTS_DIR_VARIABLE, str(points.folder))
    return points
