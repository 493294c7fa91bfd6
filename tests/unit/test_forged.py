"""Which messages a worker acts on: pgconvoy's own, with ids alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messagekit import Message, chord_body, links, new_id
from messagekit.forged import FORGED

from shared.messages import CARRY_TABLES, LONGEST_BUILD_S, RESCUE, ROUTES
from workers.forged import why_not_ours


def reason_of(message: Message) -> str | None:
    """What the worker finds against a message."""
    return why_not_ours(message.all_headers(), message.content_type, lambda: json.loads(message.raw_body()))


@pytest.mark.parametrize("task", sorted(ROUTES))
def test_our_own_messages_pass(task: str) -> None:
    """Every task that is sent anywhere passes, in a chord or alone."""
    args: tuple[int, ...] = {RESCUE: (), CARRY_TABLES: tuple(range(1, 21))}.get(task, (2**63 - 1,))
    assert reason_of(Message(task=task, args=args)) is None
    grouped = {"group": new_id(), "timelimit": [LONGEST_BUILD_S, None]}
    assert reason_of(Message(task=task, args=args, headers=grouped, links=links(chord=chord_body()))) is None


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_message_is_refused_on_one_short_line(name: str) -> None:
    """Whatever is wrong with it, the reason is one short line of plain characters."""
    reason = reason_of(FORGED[name])
    assert reason is not None
    assert len(reason) < 150
    assert reason.isascii()
    assert reason.isprintable()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
)


@given(headers=_JSON | st.dictionaries(st.sampled_from(sorted(Message().all_headers())), _JSON), body=_JSON)
def test_any_document_is_answered(headers: Any, body: Any) -> None:
    """Whatever headers and body are, the answer is a reason or none, never an exception; and ids alone pass."""
    sound = Message().all_headers()
    merged = sound | headers if isinstance(headers, dict) else headers
    assert why_not_ours(headers, "application/json", lambda: body) is not None
    if why_not_ours(merged, "application/json", lambda: [[1], {}, links()]) is None:
        assert merged["task"] in ROUTES
    if why_not_ours(sound, "application/json", lambda: body) is None:
        assert [type(number) for number in body[0]] == [int]
