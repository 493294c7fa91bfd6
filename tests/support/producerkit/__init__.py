"""The `producer` command as an operator runs it, and both sides of a copy looked at without our own code."""

from producerkit.command import Outcome, Producer
from producerkit.ledger_reads import chunk_ids, ledger_rows
from producerkit.sides import carried, differences, make_source, source_rows, target_rows

__all__ = [
    "Outcome",
    "Producer",
    "carried",
    "chunk_ids",
    "differences",
    "ledger_rows",
    "make_source",
    "source_rows",
    "target_rows",
]
