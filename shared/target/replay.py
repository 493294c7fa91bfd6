"""Waiting for a physical replica: what was committed on the target must be there before it is compared."""

from __future__ import annotations

from typing import Any, Final

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from shared.errors import TransientError
from shared.target.connections import rollback

_POLL_S: Final = 0.2


def await_replay(connection: Any, position: str, *, longest_s: float) -> None:
    """Wait until a server has replayed the write-ahead log up to a position; a server that replays none is current.

    Args:
        connection: ADBC's, to the replica; its transaction ends.
        position: A pg_lsn of the target, as text.
        longest_s: How long to wait, in seconds.

    Raises:
        TransientError: where the replica lags for longer.
    """
    polling = Retrying(
        retry=retry_if_result(lambda replayed: not replayed), stop=stop_after_delay(longest_s), wait=wait_fixed(_POLL_S)
    )
    try:
        polling(_has_replayed, connection, position)
    except RetryError as error:
        msg = f"the replica of PGCONVOY_TARGET_REPLICA_URL lags: in {longest_s:g} s it did not reach {position}"
        raise TransientError(msg) from error


def _has_replayed(connection: Any, position: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT COALESCE(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, true)", (position,))
        (replayed,) = cursor.fetchone()
    rollback(connection)  # a new snapshot next time
    return bool(replayed)
