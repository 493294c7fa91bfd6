"""A job whose workers live in the test's own process, so that a fault can be put at any moment of a chunk's life."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from casekit import InlineBroker, Silent, inline_workforce
from producerkit import differences, ledger_rows
from pydantic import SecretStr

from producer import commands, starting, waiting
from producer.records import JobEnd
from producer.services import Target
from producer.starting import start
from producer.workforce import Workforce
from shared import dispatch
from shared.broker import Broker
from shared.dispatch import Dispatcher
from shared.records.plan import JobOptions
from shared.settings import Settings
from workers.context import WorkerContext
from workers.rescue import rescue_running

CHUNKS = """
    SELECT c.id, c.state, c.attempt, c.rows, coalesce(c.error, '') FROM pgconvoy.chunks c
      JOIN pgconvoy.tables t ON t.id = c.table_id
     WHERE t.source_name = 't' AND t.job_id = (SELECT max(id) FROM pgconvoy.jobs) ORDER BY c.number
"""


class _Lost(InlineBroker):
    """Takes messages and does nothing."""

    def _do(self, *work: Callable[[], Any]) -> None:
        del work


@contextmanager
def _nobody(target: Target, *, fleet: bool = True) -> Iterator[Workforce]:
    """Stand in for `producer.workforce.open_workforce`: there is nobody to work."""
    del fleet
    broker = cast("Broker", _Lost(cast("WorkerContext", None)))
    dispatcher = Dispatcher(target.store, broker, target.settings)
    yield Workforce(dispatcher=dispatcher, broker=broker, fleet=None)


class Rig:
    """One source, one target, and a job on its way from the one to the other.

    Args:
        source: The file; its table ``t`` is looked at.
        url: The target's, for workers and producer: through a wire, where there is one.
        direct: The target's without a wire, for the test's own looks.
        patch: Lets `producer` wait shorter.
        settings: Others than the ones below.
    """

    def __init__(
        self, source: Path, url: str, patch: pytest.MonkeyPatch, *, direct: str | None = None, **settings: Any
    ) -> None:
        self.source = source
        self.direct = direct or url
        self._patch = patch
        chosen: dict[str, Any] = {
            "source_url": SecretStr(str(source)),
            "target_url": SecretStr(url),
            "broker_url": None,
            "home": source.parent / "home",
            "retry_delay_s": 0.05,
            "rescue_grace_s": 0.1,
            "max_attempts": 5,
            "workers": 1,
        }
        self.settings = Settings(**(chosen | settings))
        patch.setattr(waiting, "_RESCUE_S", 0.1)
        patch.setattr(dispatch, "_MESSAGE_GRACE_S", 0.2)
        self._contexts: list[WorkerContext] = []
        self._controller: WorkerContext | None = None

    @property
    def database(self) -> str:
        """The target's name."""
        return self.direct.rpartition("/")[2]

    def record(self, **options: Any) -> None:
        """Record the job with its chunks; nobody works yet."""
        self._patch.setattr(starting, "open_workforce", _nobody)
        chosen = {"chunk_bytes": 200_000, **options}
        # Where a broker is set, `start --detach` leaves the work to its workers.
        settings = self.settings.model_copy(update={"broker_url": SecretStr("redis://127.0.0.1:1/0")})
        self._patch.setattr(Broker, "check", lambda _self: None)
        start(settings, JobOptions(**chosen), Silent(), detach=True)

    def context(self, **settings: Any) -> WorkerContext:
        """A worker process's context, closed with the rig."""
        chosen = {"broker_url": SecretStr("redis://127.0.0.1:1/0")} | settings
        made = WorkerContext(self.settings.model_copy(update=chosen))
        made.dispatcher = Dispatcher(made.store, cast("Broker", _Lost(made)), made.settings)
        self._contexts.append(made)
        return made

    def resume(self, **settings: Any) -> JobEnd:
        """Do all that is left, as `producer resume` does with workers, until the job has ended."""
        self._patch.setattr(starting, "open_workforce", inline_workforce)
        end = commands.resume(self.settings.model_copy(update=settings), None, Silent())
        assert isinstance(end, JobEnd)
        return end

    def rescue(self, **settings: Any) -> str:
        """Look for lost work, as the controller does; its settings are those of the first call."""
        if self._controller is None:
            self._controller = self.context(**settings)
        return rescue_running(self._controller)

    def chunks(self) -> list[tuple[int, str, int, int | None, str]]:
        """Id, state, attempt, rows and error of each chunk of ``t``, in key order."""
        return cast("list[tuple[int, str, int, int | None, str]]", ledger_rows(self.direct, CHUNKS))

    def ids(self) -> list[int]:
        """The chunks of ``t``."""
        return [chunk[0] for chunk in self.chunks()]

    def assert_carried(self, *tables: str) -> None:
        """Every row is there once, by a comparison that knows nothing of the project; the ledger says the same."""
        for table in tables or ("t",):
            assert not differences(self.source, self.direct, table=table)
        assert {chunk[1] for chunk in self.chunks()} == {"verified"}

    def assert_agree(self) -> None:
        """As many rows are there as the ledger says were copied: neither is ahead of the other."""
        ((there,),) = ledger_rows(self.direct, "SELECT count(*) FROM public.t")
        copied = sum(rows or 0 for _, state, _, rows, _ in self.chunks() if state in ("copied", "verified"))
        assert there == copied

    def close(self) -> None:
        """Close what the contexts opened."""
        for context in self._contexts:
            context.close()


class InBackground:
    """Does something in a thread of its own and keeps what came of it."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self._result: Any = None
        self._error: BaseException | None = None
        self._act = act
        self._thread = threading.Thread(target=self._do, daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it is still at it."""
        return self._thread.is_alive()

    def result(self, *, seconds: float = 60) -> Any:
        """Wait for its end; returns what it returned, or raises what it raised."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"still at it after {seconds} s"
        if self._error is not None:
            raise self._error
        return self._result

    def _do(self) -> None:
        try:
            self._result = self._act()
        except BaseException as error:  # noqa: BLE001 - raised again by `result`
            self._error = error
