"""How small tables travel: each from its first chunk to its verified end, several in one message.

Every step is the one that an ordinary message would have taken, and asks the ledger as that would. So a worker may be
lost anywhere: rescue finds what the ledger says is left and asks for it with ordinary messages.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from shared.errors import ConvoyError
from shared.ledger.pausing import give_back_small_tables
from shared.ledger.queueing import take_uncompared
from shared.ledger.small_tables import pending_chunks, states_of
from shared.ledger.standing import note_table
from shared.ledger.steps import Step
from shared.points import Point, reach
from workers.context import WorkerContext
from workers.copy_chunk import copy_chunk
from workers.failures import noted_and_left_to_rescue, sentence_of
from workers.finish_table import move_on, take_step
from workers.verify_chunk import verify_chunk

log = logging.getLogger(__name__)


def carry_tables(context: WorkerContext, table_ids: Sequence[int]) -> str:
    """Carry tables to their ends, one after the other; what fails is recorded, or left to rescue.

    Returns:
        Where they are now, for Flower and the log: ``20 tables: 19 completed, 1 copying``.
    """
    with context.sources.keeping():
        for table_id in table_ids:
            _carry(context, table_id)
    try:
        with context.store.transaction() as ledger:
            give_back_small_tables(ledger, table_ids)
            found = states_of(ledger, table_ids)
        for job_id in {job_id for job_id, _ in found}:
            context.dispatcher.send_finish_job(job_id)
    except (ConvoyError, SQLAlchemyError) as error:
        return f"{len(table_ids)} tables, and where they are could not be asked: {sentence_of(error)}"
    states = Counter(state for _, state in found)
    return f"{len(found)} tables: " + ", ".join(f"{count} {state}" for state, count in sorted(states.items()))


@noted_and_left_to_rescue(note_table)
def _carry(context: WorkerContext, table_id: int) -> str:
    """Carry one table; what it waits for (another attempt, another worker) comes with ordinary messages."""
    reach(Point.CARRYING, table_id)

    def hand_on(step: Step) -> bool:
        if step is Step.COMPARE:
            return _compare(context, table_id)
        if step is Step.INDEX:
            context.dispatcher.send_work(table_id)
        return False  # chunks were tried, and not ended: rescue sees when there is more to do

    # What comes next for nearly every table is done without asking: copies, keys, comparisons, the end.
    _copy(context, table_id)
    if take_step(context, table_id, hand_on):
        _compare(context, table_id)
        move_on(context, table_id, hand_on)
    return f"table {table_id} was carried"


def _copy(context: WorkerContext, table_id: int) -> None:
    with context.store.alone() as ledger:
        waiting = pending_chunks(ledger, table_id)
    for chunk_id in waiting:
        copy_chunk(context, chunk_id)


def _compare(context: WorkerContext, table_id: int) -> bool:
    with context.store.alone() as ledger:
        waiting = take_uncompared(ledger, table_id)
    for chunk_id in waiting:
        verify_chunk(context, chunk_id)
    return bool(waiting)
