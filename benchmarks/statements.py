"""What the ledger's statements cost, built each time or once: ``python -m benchmarks.statements``.

    python -m benchmarks.statements                 1,000 times each, three rounds
    python -m benchmarks.statements --times 100 --rounds 1

Runs statements that every chunk and table needs in three ways: built each time they are run, built once a process, and
read and planned by PostgreSQL once a session, too (as workers do). Prints the processors' time of a statement, this
process's and PostgreSQL's, as medians over the rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import psycopg2

from benchmarks.server import Server
from shared.ledger import attempts, comparisons, jobs, queueing
from shared.ledger.engine import LedgerStore
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.states import TableState
from shared.ledger.upgrade import upgrade_ledger

_FOLDER: Final = Path(__file__).parent / "work"
_STATEMENTS: Final[dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]]] = {
    "claiming a chunk": (attempts._claim, (1, "w:1"), {"if_unlimited": True}),  # noqa: SLF001 - what is measured
    "reading a job and its table": (jobs._job_and_table, (1,), {}),  # noqa: SLF001 - what is measured
    "counting a table's chunks": (queueing._counts, (1,), {}),  # noqa: SLF001 - what is measured
    "holding a copied chunk": (comparisons._hold, (1,), {}),  # noqa: SLF001 - what is measured
    "moving a table": (jobs._move_table, (1, TableState.BUILDING, None, 0), {}),  # noqa: SLF001 - what is measured
}
_WAYS: Final = ("built each time", "built once", "built once, and planned once")


def main() -> None:
    """Measure, and print a line a statement."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arguments.add_argument("--times", type=int, default=1000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--work", type=Path, default=_FOLDER, help="where the server's data goes")
    options = arguments.parse_args()
    with Server(options.work / "home") as server, server.database("statements") as url:
        rounds = [_round(server, url, options.times) for _ in range(options.rounds)]
    print(f"{options.times} times each; processors' time of one, this process's + PostgreSQL's:")
    for name in _STATEMENTS:
        spent = {way: [median(each[name, way][part] for each in rounds) * 1e6 for part in (0, 1)] for way in _WAYS}
        print(f"{name}: " + "; ".join(f"{way} {ours:.0f} + {theirs:.0f} µs" for way, (ours, theirs) in spent.items()))


def _round(server: Server, url: str, times: int) -> dict[tuple[str, str], tuple[float, float]]:
    store = LedgerStore(lambda: psycopg2.connect(url), pool_size=1)
    with store.transaction() as ledger:
        upgrade_ledger(ledger.connection)
    found = {}
    with store.engine.connect() as connection:
        ledger = SqlAlchemyLedger(connection)
        for name, (statement, args, kwargs) in _STATEMENTS.items():
            ways = _ways(ledger, statement, args, kwargs)
            for way, act in zip(_WAYS, ways, strict=True):
                found[name, way] = _timed(server, act, times)
            connection.rollback()
    store.close()
    return found


def _ways(
    ledger: SqlAlchemyLedger, statement: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[Callable[[], object], ...]:
    built = statement.__wrapped__  # type: ignore[attr-defined] - functools.wraps says so
    rendered = statement(*args, **kwargs)
    return (
        lambda: ledger.run(built(*args, **kwargs)),
        lambda: ledger.connection.execute(rendered.statement, rendered.values),
        lambda: ledger.run(statement(*args, **kwargs)),
    )


def _timed(server: Server, act: Callable[[], object], times: int) -> tuple[float, float]:
    act()
    theirs, ours = server.processor_seconds(), time.process_time()
    for _ in range(times):
        act()
    ours = time.process_time() - ours
    return ours / times, (server.processor_seconds() - theirs) / times


if __name__ == "__main__":
    main()
