"""The ledger's protocol as a model: every state that it can come to is looked at, and every broken rule is noticed."""

from __future__ import annotations

from dataclasses import fields

import pytest
from protocolkit.explore import BrokenPromiseError, explore
from protocolkit.states import Rules
from protocolkit.worlds import WORLDS

_SHOWN_BY = {
    "claim_asks_state": ("two workers, two chunks", "chunk 0 changes while its worker holds it"),
    "claim_asks_job": ("an operator at work", "begins although the job has ended"),
    "claim_asks_pause": ("an operator who pauses", "begins although the job is paused"),
    "hold_asks_attempt": ("two workers, two chunks", "chunk 0 changes while its worker holds it"),
    "hold_asks_worker": ("an operator at work", "an overtaken attempt commits the rows"),
    "rescue_asks_lock": ("two workers, two chunks", "chunk 0 changes while its worker holds it"),
    "rescue_runs": ("two workers, two chunks", "lost its worker and cannot be rescued"),
    "commit_is_one": ("two workers, two chunks", "chunk 0 says copying, and of its rows there are [1]"),
    "ledger_in_target": ("a crash of PostgreSQL", "says copied, and of its rows there are [0]"),
    "failure_asks_attempt": ("two workers, two chunks", "says pending, and of its rows there are [1]"),
    "lost_messages_are_forgotten": ("messages as they are", "the job never comes to an end"),
    "split_holds": ("a chunk that is split", "chunk 0 changes while its worker holds it"),
    "split_waits_for_planning": ("split while the rest is planned", "rows are missing"),
    "planning_asks_job": ("cancelled while it is planned", "is recorded after the job's end"),
    "check_asks_again": ("an operator at work", "the table is completed, and its chunks are ['copied']"),
    "finish_asks_tables": ("two workers, two chunks", "the job is completed, and its table is"),
    "finish_counts_cancelled": ("an operator and two chunks", "the job is completed, and its table is cancelled"),
    "reopening_holds_job": ("an operator at work", "the job is completed, and its table is"),
    "verify_builds_first": ("an operator at work", "the table is completed, and has no keys"),
}
"""Where the lack of a rule shows, and by what."""


@pytest.mark.parametrize("name", WORLDS)
def test_every_state_of_the_protocol_keeps_the_promises(name: str) -> None:
    """Rows once, `completed` only when verified, lost chunks rescued, held ones left alone, always a way to an end."""
    found = explore(WORLDS[name])
    print(f"{name}: {found.states:,} states, {found.steps:,} steps")  # noqa: T201 - for pytest -rP
    assert found.ends


@pytest.mark.parametrize("rule", [field.name for field in fields(Rules)])
def test_no_rule_of_the_protocol_can_be_missing(rule: str) -> None:
    """Without any one of its rules the protocol comes to a state, or takes a step, that breaks a promise."""
    world, shown = _SHOWN_BY[rule]
    with pytest.raises(BrokenPromiseError) as broken:
        explore(WORLDS[world], Rules(**{rule: False}))
    assert shown in str(broken.value)
