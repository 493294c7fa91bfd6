"""`producer pause` and `producer unpause` as the command line knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from producer import arguments as given

if TYPE_CHECKING:
    from producer.pausing import PauseView


def pause(job: given.Job = None, *, target: given.Target = None, as_json: given.Json = False) -> None:
    """Begin nothing more of a running job until it is unpaused; chunks that run end."""
    from producer.pausing import pause as pause_job
    from producer.session import settings_of

    _show(pause_job(settings_of(target=target), job), as_json=as_json)


def unpause(
    job: given.Job = None, *, target: given.Target = None, broker: given.Broker = None, as_json: given.Json = False
) -> None:
    """Let a paused job go on."""
    from producer.pausing import unpause as unpause_job
    from producer.session import settings_of

    _show(unpause_job(settings_of(target=target, broker=broker), job), as_json=as_json)


def _show(view: PauseView, *, as_json: bool) -> None:
    from producer import printing

    if as_json:
        printing.print_json(view)
        return
    for line in _lines(view):
        printing.out().print(line, soft_wrap=True, highlight=False, markup=False)


def _lines(view: PauseView) -> list[str]:
    from producer.wording import counted, moment

    note = [f"note: {view.note}"] if view.note else []
    if view.paused_at is None:
        return [f"job {view.job} goes on", *note]
    paused = f"job {view.job} is paused since {moment(view.paused_at)}, nothing of it begins any more"
    if view.running:
        paused += f"; what runs ends: {counted(view.running, 'chunk or index', 'chunks or indexes')}"
    return [paused, f"go on with: producer unpause {view.job}", *note]
