"""Messages that nobody should act on, by what is wrong with them."""

from __future__ import annotations

import pickle
from types import MappingProxyType
from typing import Final

from messagekit import Message, chord_body, links, new_id
from shared.messages import CARRY_TABLES, COPY_CHUNK, FINISH_JOB, PROBE, RESCUE

_DEEP: Final = 100_000
_SIGNATURE: Final = {"task": COPY_CHUNK, "args": [1], "kwargs": {}, "options": {}}


class _Runs:
    """Were it ever unpickled, it would raise where that was done."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('unpickled')",)


def _with_chord(**changes: object) -> Message:
    return Message(links=links(chord=chord_body(**changes)))


FORGED: Final = MappingProxyType(
    {
        "a text for an id": Message(args=("1; DROP TABLE pgconvoy.jobs",)),
        "a path": Message(args=("../../etc/passwd",)),
        "a URL": Message(args=("file:///etc/passwd",)),
        "a huge number": Message(args=(10**40,)),
        "one more than bigint": Message(args=(2**63,)),
        "a negative number": Message(args=(-1,)),
        "zero": Message(args=(0,)),
        "a fraction": Message(args=(1.5,)),
        "true": Message(args=(True,)),
        "nothing": Message(args=(None,)),
        "a list": Message(args=([1],)),
        "a document": Message(args=({"id": 1},)),
        "no argument": Message(args=()),
        "two arguments": Message(args=(1, 2)),
        "arguments for rescue": Message(task=RESCUE, args=(1,)),
        "a thousand tables": Message(task=CARRY_TABLES, args=tuple(range(1, 1001))),
        "no table": Message(task=CARRY_TABLES, args=()),
        "keyword arguments": Message(args=(), kwargs={"chunk_id": 1}),
        "one keyword more": Message(kwargs={"sql": "DROP TABLE jobs"}),
        "arguments that are no list": Message(args="1"),
        "an unknown task": Message(task="os.system", args=("touch /tmp/forged",)),
        "a task with a new line": Message(task="pgconvoy.copy_chunk\n2026-01-01 CRITICAL forged"),
        "a task that is a list": Message(task=["pgconvoy.copy_chunk"]),
        "no task": Message(task=None),
        "the probe as a task": Message(task=PROBE, args=("sqlite:////etc/passwd",)),
        "Celery's map": Message(task="celery.map", args=(_SIGNATURE, [[1]])),
        "Celery's chord_unlock": Message(task="celery.chord_unlock", args=("group", _SIGNATURE)),
        "Celery's cleanup": Message(task="celery.backend_cleanup", args=()),
        "an id with a new line": Message(headers={"id": "x\n2026-01-01 CRITICAL forged"}),
        "no id": Message(headers={"id": None}),
        "a group that is a path": Message(headers={"group": "../../x"}),
        "a time to wait for": Message(headers={"eta": "9999-01-01T00:00:00+00:00"}),
        "a time that is none": Message(headers={"eta": "soon"}),
        "expired": Message(headers={"expires": "1970-01-01T00:00:00+00:00"}),
        "another name": Message(headers={"shadow": "harmless"}),
        "a time limit for ever": Message(headers={"timelimit": [10**12, None]}),
        "a time limit that is a text": Message(headers={"timelimit": "none"}),
        "a callback": Message(links=links(callbacks=[_SIGNATURE])),
        "an errback": Message(links=links(errbacks=[_SIGNATURE])),
        "a chain": Message(links=links(chain=[_SIGNATURE])),
        "a chord of another task": _with_chord(task=FINISH_JOB),
        "a chord of an unknown task": _with_chord(task="os.system"),
        "a chord with a text": _with_chord(args=["1"]),
        "a chord to another queue": _with_chord(options={"queue": "x", "task_id": new_id(), "group_id": new_id()}),
        "a chord with a link": _with_chord(
            options={"queue": "verify", "task_id": new_id(), "group_id": new_id(), "link": [_SIGNATURE]}
        ),
        "a chord that is a text": Message(links=links(chord="finish")),
        "links that are a list": Message(links=[1]),
        "a body that is a number": Message(body=b"1"),
        "a body of four parts": Message(body=b"[[1], {}, {}, {}]"),
        "an empty body": Message(body=b""),
        "a body of protocol 1": Message(body=b'{"task": "os.system", "id": "1", "args": ["true"], "kwargs": {}}'),
        "a body that is no JSON": Message(body=b"\xff\xfe not JSON"),
        "a body nested deep": Message(body=b"[" * _DEEP + b"]" * _DEEP),
        "a number of a million digits": Message(body=b"[[" + b"9" * 1_000_000 + b"], {}, {}]"),
        "pickle": Message(content_type="application/x-python-serialize", body=pickle.dumps(_Runs())),
        "yaml": Message(content_type="application/x-yaml", body=b"!!python/object/apply:os.system ['true']"),
        "msgpack": Message(content_type="application/x-msgpack", body=b"\x93\x91\x01\x80\x80"),
        "plain text": Message(content_type="text/plain"),
        "bytes": Message(content_type="application/data"),
        "compressed": Message(headers={"compression": "application/x-gzip"}),
    }
)
"""Each of them is to be dropped with one line in the log."""

UNREADABLE: Final = MappingProxyType(
    {
        "no JSON": b"\xff\xfe\x00 not a message",
        "a number": b"1",
        "a list": b"[1, 2]",
        "nothing": b"null",
        "an empty document": b"{}",
        "no delivery tag": b'{"body": "e30=", "properties": {}, "headers": {}}',
        "a body that is not base64": b'{"body": "%", "properties": {"delivery_tag": "1", "body_encoding": "base64"}}',
        "headers that are a list": b'{"body": "", "properties": {"delivery_tag": "2"}, "headers": [1]}',
        "nested deep": b"[" * _DEEP + b"]" * _DEEP,
    }
)
"""Entries of a queue that are no message at all."""
