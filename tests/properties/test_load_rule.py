"""The rule that decides how many chunks are copied at once: it pauses under too much load, and is never stuck."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from shared.ledger.load_rule import next_in_flight, pressure_of
from shared.ledger.turns import PATIENCE_S, Room, Turn, room_in
from shared.records.load import Load, MaxLoad

IN_FLIGHT = st.integers(0, 500)


def load(*, connections: int = 0, lag_s: float = 0.0) -> Load:
    """A measured load."""
    return Load(at=datetime.now(tz=UTC), bytes_per_s=9e9, connections=connections, replicas=1, lag_s=lag_s)


@given(IN_FLIGHT, st.integers(0, 500), st.floats(1.001, 1e6))
def test_too_much_load_pauses_any_job_within_ten_looks(in_flight: int, running: int, pressure: float) -> None:
    """Each look halves the number, down to 0, where it stays."""
    for _ in range(10):
        after = next_in_flight(in_flight, pressure=pressure, running=running)
        assert after == in_flight // 2
        in_flight = after
    assert in_flight == 0


@given(IN_FLIGHT, st.floats(0, 1))
def test_a_job_whose_load_is_allowed_copies_at_least_one_chunk(in_flight: int, pressure: float) -> None:
    """Whatever the number was and however near the load is to what is allowed."""
    after = next_in_flight(in_flight, pressure=pressure, running=in_flight)
    assert after >= 1
    assert after >= in_flight


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 200), st.floats(0.5, 3))
def test_the_number_settles_at_what_the_limit_and_the_workers_allow(
    limit: int, workers: int, start: int, each: float
) -> None:
    """Where each chunk takes so many connections, it stays within what they and the workers allow from some look on."""
    in_flight, seen = start, []
    for look in range(200):
        running = min(in_flight, workers)
        in_flight = next_in_flight(in_flight, pressure=running * each / limit, running=running)
        if look >= 120:
            seen.append(min(in_flight, workers))
    room = min(limit / each, workers)
    assert max(seen) >= min(room / 2, 1)
    # One look beyond the limit at most is between two within it.
    assert max(seen) <= min(workers, 2 * max(room, 1))


@given(IN_FLIGHT, st.integers(0, 500))
def test_a_number_that_nobody_uses_up_does_not_grow(in_flight: int, running: int) -> None:
    """Else it would be far too high when more workers come."""
    after = next_in_flight(in_flight, pressure=0.0, running=running)
    assert after <= max(1, in_flight, 4 * running)


def test_the_nearest_limit_decides() -> None:
    """Of connections and lag the one that is used up most; bytes are kept by when a chunk may begin."""
    limits = MaxLoad(bytes_per_s=1, connections=40, lag_s=5)
    assert pressure_of(limits, load(connections=20, lag_s=1)) == 0.5
    assert pressure_of(limits, load(connections=20, lag_s=10)) == 2
    assert pressure_of(MaxLoad(bytes_per_s=1), load(connections=90, lag_s=99)) == 0


@given(
    free=st.one_of(st.just(float("inf")), st.integers(-5, 50).map(float)),
    wait_s=st.floats(0, 100),
    rate=st.one_of(st.none(), st.floats(1, 1e9)),
    sent=st.lists(st.integers(1, 10**8), max_size=5),
    sizes=st.lists(st.integers(1, 10**8), max_size=50),
)
def test_what_is_sent_can_begin_soon(
    free: float, wait_s: float, rate: float | None, sent: list[int], sizes: list[int]
) -> None:
    """Never more than may be copied at once; nothing whose turn is far; one chunk where its turn is near."""
    turn = Turn(job_id=1, limits=MaxLoad(bytes_per_s=rate), free=free, wait_s=wait_s)
    number = room_in(turn, sent=len(sent), sent_bytes=sum(sent)).count(sizes)
    assert 0 <= number <= len(sizes)
    assert number <= max(0, free - len(sent))
    if wait_s > PATIENCE_S:
        assert number == 0
    elif not sent and sizes and free >= 1:
        assert number >= 1


def test_without_limits_all_is_sent() -> None:
    """An unlimited job's room has no end."""
    assert Room().count([10**12] * 1000) == 1000
