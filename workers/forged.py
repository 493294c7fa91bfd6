"""What a message must be before a worker looks at it: ours, with ids alone, and nothing that Celery would act on.

Whoever can write to the broker can put anything into a queue. Celery knows many things to do with a message: tasks of
its own, callbacks, chains, times to wait for. Ours use none of them but a chord's body, so anything else is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from shared.messages import CARRY_TABLES, FINISH_TABLE, LONGEST_BUILD_S, RESCUE, ROUTES

_LARGEST_ID: Final = 2**63 - 1
"""PostgreSQL's bigint."""
_MOST_TABLES: Final = 100
"""Ids of one carry_tables; a bundle holds 20."""
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHOWN: Final = 80
"""Characters of a forged value that the log shows."""
_UNUSED_HEADERS: Final = ("eta", "expires", "shadow", "stamped_headers", "compression")
"""Celery would keep the message in memory until its time, believe another clock, or show another name."""
_UNUSED_LINKS: Final = ("callbacks", "errbacks", "chain")


class _ForgedError(Exception):
    """Says what is wrong; never leaves this module."""


def why_not_ours(headers: Any, content_type: Any, decode: Callable[[], Any]) -> str | None:
    """Say why a message is none that pgconvoy sends; None: it is one, as far as it can be told.

    That its ids are those of somebody's rows is for the ledger to say: the task finds nothing to do.

    Args:
        headers: As they came.
        content_type: As it came; only JSON is looked into.
        decode: Reads the body; whatever it raises is an answer.
    """
    try:
        _check(headers, content_type, decode)
    except _ForgedError as finding:
        return str(finding)
    return None


def _check(headers: Any, content_type: Any, decode: Callable[[], Any]) -> None:
    _must(isinstance(headers, Mapping), "headers", headers)
    task = headers.get("task")
    _must(isinstance(task, str) and task in ROUTES, "task", task)
    _must(_is_uuid(headers.get("id")), "id", headers.get("id"))
    for name in ("group", "root_id", "parent_id"):
        _must(headers.get(name) is None or _is_uuid(headers[name]), name, headers.get(name))
    for name in _UNUSED_HEADERS:
        _must(headers.get(name) is None, name, headers.get(name))
    _check_time_limit(headers.get("timelimit"))
    _must(content_type == "application/json", "content type", content_type)
    _check_body(task, _decoded(decode))


def _check_time_limit(limit: Any) -> None:
    """A build may take long, and says so; no task of ours asks for more."""
    if limit is not None:
        _must(isinstance(limit, list) and len(limit) == 2 and limit[1] is None, "time limit", limit)
        _must(limit[0] is None or (type(limit[0]) is int and 0 < limit[0] <= LONGEST_BUILD_S), "time limit", limit)


def _decoded(decode: Callable[[], Any]) -> Any:
    try:
        return decode()
    except Exception as error:
        msg = f"its body cannot be read as JSON ({type(error).__name__})"
        raise _ForgedError(msg) from error


def _check_body(task: str, body: Any) -> None:
    _must(isinstance(body, list) and len(body) == 3, "body", body)
    args, kwargs, links = body
    _check_ids(task, args)
    _must(kwargs == {}, "keyword arguments", kwargs)
    _must(isinstance(links, dict), "links", links)
    for name in _UNUSED_LINKS:
        _must(not links.get(name), name, links.get(name))
    if links.get("chord") is not None:
        _check_chord(links["chord"])


def _check_ids(task: str, args: Any) -> None:
    most = {RESCUE: 0, CARRY_TABLES: _MOST_TABLES}.get(task, 1)
    least = min(most, 1)
    _must(isinstance(args, list) and least <= len(args) <= most and all(map(_is_id, args)), "arguments", args)


def _check_chord(chord: Any) -> None:
    """A chord of ours ends in finish_table on its queue, and nothing follows that."""
    _must(isinstance(chord, dict) and chord.get("task") == FINISH_TABLE, "chord", chord)
    _check_ids(FINISH_TABLE, chord.get("args"))
    options = chord.get("options")
    _must(chord.get("kwargs") == {} and isinstance(options, dict), "chord", chord)
    _must(options.keys() <= {"group_id", "priority", "queue", "reply_to", "task_id"}, "chord", options)
    _must(options.get("queue") == ROUTES[FINISH_TABLE], "chord", options)
    _must(all(_is_uuid(options.get(name)) for name in ("group_id", "task_id")), "chord", options)


def _is_id(value: Any) -> bool:
    return type(value) is int and 0 < value <= _LARGEST_ID  # True is an int, too


def _is_uuid(value: Any) -> bool:
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def _must(holds: bool, what: str, found: Any) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        msg = f"its {what} is {_shown(found)}"
        raise _ForgedError(msg)


def _shown(value: Any) -> str:
    """A forged value on one line, in ASCII, and short."""
    try:
        text = ascii(value)
    except (RecursionError, ValueError):  # nested too deep; an integer of too many digits
        text = f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
