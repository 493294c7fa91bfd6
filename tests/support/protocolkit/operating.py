"""What an operator may do to a job."""

from __future__ import annotations

from collections.abc import Iterator

from protocolkit.base import Move, Steps, holds_job, holds_table, recorded, set_chunk
from protocolkit.states import Ledger, Phase, State
from shared.ledger.states import JOB_ENDS, TABLE_MOVES, ChunkState, JobState, TableState

_ARRIVED = frozenset({ChunkState.COPIED, ChunkState.VERIFIED})


class Operating(Steps):
    """Commands."""

    def _operator(self, state: State) -> Iterator[Move]:
        ledger, may = state.ledger, self.world.operator
        if "pause" in may and ledger.job not in JOB_ENDS and not holds_job(state):
            kind = "step" if ledger.paused else "operator"
            yield Move(
                "pause or unpause", kind, self.commit(state, ledger._replace(paused=not ledger.paused), durable=True)
            )
        if "cancel" in may and ledger.job not in JOB_ENDS and not holds_table(state) and not holds_job(state):
            yield Move("cancel", "operator", self.commit(state, self._cancelled(ledger), durable=True))
        if ledger.opened >= self.world.openings or holds_table(state):
            return
        if holds_job(state) and self.rules.reopening_holds_job:
            return
        if "resume" in may and ledger.job is JobState.CANCELLED:
            yield Move("resume", "operator", self.commit(state, self._reopened(ledger, cancelled=True), durable=True))
        failed = any(chunk.state is ChunkState.FAILED for _, chunk in recorded(ledger))
        if "requeue" in may and (failed or ledger.table is TableState.FAILED):
            yield Move("requeue", "operator", self.commit(state, self._reopened(ledger, cancelled=False), durable=True))
        compares = any(worker.phase is Phase.COMPARING for worker in state.workers)
        if "verify" in may and ledger.job in JOB_ENDS and not compares:  # it waits for them
            yield Move("verify", "operator", self.commit(state, self._to_verify(ledger), durable=True))

    def _cancelled(self, ledger: Ledger) -> Ledger:
        for number, chunk in recorded(ledger):
            if chunk.state is ChunkState.PENDING:
                ledger = set_chunk(ledger, number, chunk._replace(state=ChunkState.CANCELLED, sent=False))
        table = TableState.CANCELLED if TableState.CANCELLED in TABLE_MOVES[ledger.table] else ledger.table
        sent = ledger.table_sent and table is ledger.table
        return ledger._replace(job=JobState.CANCELLED, job_sent=False, table=table, table_sent=sent, paused=False)

    def _reopened(self, ledger: Ledger, *, cancelled: bool) -> Ledger:
        wanted = {ChunkState.FAILED, ChunkState.CANCELLED} if cancelled else {ChunkState.FAILED}
        for number, chunk in recorded(ledger):
            if chunk.state in wanted:
                again = chunk._replace(state=ChunkState.PENDING, attempt=0, sent=False)
                ledger = set_chunk(ledger, number, again)
        ended = ledger.table in (TableState.FAILED, TableState.CANCELLED)
        table = TableState.COPYING if ended else ledger.table
        again = ledger.job in (JobState.FAILED, JobState.CANCELLED)
        job = JobState.COPYING if again else ledger.job
        sent = (ledger.table_sent and not ended, ledger.job_sent and not again)
        return ledger._replace(table=table, table_sent=sent[0], job=job, job_sent=sent[1], opened=ledger.opened + 1)

    def _to_verify(self, ledger: Ledger) -> Ledger:
        before = ledger
        for number, chunk in recorded(ledger):
            if chunk.state in _ARRIVED:
                again = chunk._replace(state=ChunkState.COPIED, compared=False, compare_sent=False)
                ledger = set_chunk(ledger, number, again)
        if not self.is_planned(ledger) or any(chunk.state not in _ARRIVED for _, chunk in recorded(ledger)):
            return before  # refused: not all rows are there
        again = TableState.VERIFYING
        if self.rules.verify_builds_first and ledger.table is not TableState.COMPLETED:
            again = TableState.COPYING
        return ledger._replace(table=again, job=JobState.VERIFYING, job_sent=False, opened=ledger.opened + 1)
