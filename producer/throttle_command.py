"""`producer throttle` as the command line knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from producer import arguments as given
from producer.limits import max_load_of
from shared.errors import OperatorError

if TYPE_CHECKING:
    from producer.throttling import ThrottleView


def throttle(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[JOB] [LIMIT]...",
            show_default=False,
            help=f"{given.JOB_HELP} Then its limits, which take the place of those that it has: {given.LIMITS_HELP}.",
        ),
    ] = None,
    *,
    off: Annotated[bool, typer.Option("--off", help="Lift all limits.")] = False,
    target: given.Target = None,
    as_json: given.Json = False,
) -> None:
    """Change how much load a running job may make; without limits, show those that it has and the load as it is."""
    from producer import printing
    from producer.session import settings_of
    from producer.throttling import throttle as throttle_job

    job, limits = _read(words or [])
    given.refuse_together("--off", "limits", both=off and bool(limits))
    view = throttle_job(settings_of(target=target), job, max_load_of(limits), off=off)
    if as_json:
        printing.print_json(view)
    else:
        for line in _lines(view):
            printing.out().print(line, soft_wrap=True, highlight=False, markup=False)


def _read(words: list[str]) -> tuple[int | None, list[str]]:
    """A first word of digits alone is the job."""
    if not words or not words[0].isdecimal():
        return None, words
    job = int(words[0])
    if job < 1:
        msg = f"{words[0]!r} is no job's number: `producer jobs` lists them"
        raise OperatorError(msg)
    return job, words[1:]


def _lines(view: ThrottleView) -> list[str]:
    from producer.wording import counted, rate

    load = view.load
    lag = f", {counted(load.replicas, 'replica')} with a lag of {load.lag_s:.1f} s" if load.replicas else ", no replica"
    held = view.throttle.said if view.throttle is not None else "no limit of load"
    now = f"now: {rate(load.bytes_per_s)} copied, {load.connections:,} active connections{lag}"
    return [f"job {view.job}: {held}", now, *([f"note: {view.note}"] if view.note else [])]
