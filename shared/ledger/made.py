"""What earlier jobs made in a schema besides tables, as the ledger tells it."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from shared.ledger.codec import decode_objects
from shared.ledger.session import Ledger
from shared.records.plan import ObjectPlan

_OBJECTS: Final = sa.text(
    "SELECT to_jsonb(j) -> 'objects' AS objects FROM pgconvoy.jobs j WHERE j.target_schema = :schema"
    " AND j.state <> 'rolled_back' ORDER BY j.id"
)
"""Through the row's JSON: a ledger that an older pgconvoy made has no such column, and plan upgrades none."""


def objects_of_jobs(ledger: Ledger, schema: str) -> tuple[ObjectPlan, ...]:
    """The views, triggers and the like that jobs were to make in a schema; the ledger must be there."""
    rows = ledger.run(_OBJECTS.bindparams(schema=schema))
    return tuple(each for row in rows if row.objects for each in decode_objects(row.objects))
