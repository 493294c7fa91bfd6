"""Every case of tests/cases comes out as its folder says; a new case needs no code.

To begin a case: write source.sql and case.toml, run with PGCONVOY_WRITE_CASES=1, and read the expected.json that is
written before you believe it. An expected.json that is there is never written over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from casekit import Case, as_json, cases_in, inline_workforce, run_case
from fleetkit import TestPostgres

from producer import starting

_CASES = cases_in(Path(__file__).parents[1] / "cases")
_WRITES = os.environ.get("PGCONVOY_WRITE_CASES") == "1"


@pytest.fixture(scope="module")
def shared_target(postgres_server: TestPostgres) -> Iterator[str]:
    """One database for all cases, each in a schema of its own: making the ledger takes longer than a case."""
    with postgres_server.fresh_database() as url:
        yield url


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.name)
def test_case(case: Case, shared_target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What arrives, what is rejected and how each object is graded is as the case's folder says."""
    monkeypatch.setattr(starting, "open_workforce", inline_workforce)
    result = run_case(case, folder=tmp_path, target_url=shared_target, schema=f"case_{case.name}"[:60])
    expected = case.folder / "expected.json"
    if _WRITES and not expected.exists():
        expected.write_text(as_json(result.found) + "\n")
    assert json.loads(expected.read_text()) == json.loads(json.dumps(result.found)), case.about
    assert not result.broken, case.about


def test_there_are_cases_enough() -> None:
    """At least 120 cases, each with a sentence of its own."""
    assert len(_CASES) >= 120
    assert len({case.about for case in _CASES}) == len(_CASES)
