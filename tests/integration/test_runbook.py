"""What the runbook tells an operator to ask the ledger can be asked."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from ledgerkit import open_ledger

_RUNBOOK = Path(__file__).resolve().parents[2] / "docs" / "runbook.md"
_GUIDE = _RUNBOOK.with_name("guide.md")
_QUERIES = re.findall(r"^```sql\n(.*?)^```$", _RUNBOOK.read_text(), re.MULTILINE | re.DOTALL)
_QUERIES += re.findall(r'-c "(SELECT [^"]+)"', _GUIDE.read_text())


@pytest.fixture
def ledger_url(target_url: str) -> str:
    """A database with an empty ledger of this version."""
    with open_ledger(target_url):
        return target_url


def test_the_pages_hold_queries() -> None:
    """The test below would say nothing if the blocks were written otherwise."""
    assert len(_QUERIES) >= 9


@pytest.mark.parametrize("query", _QUERIES, ids=[query.split("FROM")[0][:40] for query in _QUERIES])
def test_queries_of_the_pages_run(query: str, ledger_url: str) -> None:
    """Each query names columns and tables that are there."""
    with closing(psycopg2.connect(ledger_url)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
