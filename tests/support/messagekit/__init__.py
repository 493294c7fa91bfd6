"""Messages as pgconvoy sends them, and as somebody else might: for what a worker lets pass, and for real queues."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.messages import COPY_CHUNK, FINISH_TABLE, ROUTES


def new_id() -> str:
    """An id as Celery makes them."""
    return str(uuid.uuid4())


def links(**changes: Any) -> dict[str, Any]:
    """The last part of a body: what Celery does afterwards; by default nothing."""
    return {"callbacks": None, "errbacks": None, "chain": None, "chord": None} | changes


def chord_body(**changes: Any) -> dict[str, Any]:
    """The body of a chord as ours have it."""
    options = {"queue": ROUTES[FINISH_TABLE], "task_id": new_id(), "group_id": new_id(), "priority": 0}
    return {"task": FINISH_TABLE, "args": [1], "kwargs": {}, "options": options, "immutable": True} | changes


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message, sound unless it is changed."""

    task: Any = COPY_CHUNK
    args: Any = (1,)
    kwargs: Any = field(default_factory=dict)
    links: Any = field(default_factory=links)
    headers: Mapping[str, Any] = field(default_factory=dict)
    """Changed ones."""
    content_type: str = "application/json"
    body: bytes | None = None
    """Instead of arguments."""

    def all_headers(self) -> dict[str, Any]:
        """Celery's headers of this message."""
        number = new_id()
        plain = {"lang": "py", "task": self.task, "id": number, "root_id": number, "parent_id": None, "group": None}
        plain |= {"eta": None, "expires": None, "shadow": None, "retries": 0, "timelimit": [None, None]}
        plain |= {"argsrepr": repr(self.args), "kwargsrepr": repr(self.kwargs), "origin": "somebody", "stamps": {}}
        return plain | dict(self.headers)

    def raw_body(self) -> bytes:
        """The bytes that carry the arguments."""
        if self.body is not None:
            return self.body
        args = list(self.args) if isinstance(self.args, tuple) else self.args
        return json.dumps([args, self.kwargs, self.links]).encode()

    def entry(self, queue: str = "copy") -> bytes:
        """As it lies in a list of Redis."""
        properties = {
            "correlation_id": new_id(),
            "delivery_info": {"exchange": "", "routing_key": queue},
            "delivery_mode": 2,
            "delivery_tag": new_id(),
            "priority": 0,
            "body_encoding": "base64",
        }
        return json.dumps(
            {
                "body": base64.b64encode(self.raw_body()).decode(),
                "content-encoding": "utf-8",
                "content-type": self.content_type,
                "headers": self.all_headers(),
                "properties": properties,
            }
        ).encode()
