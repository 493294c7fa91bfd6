"""How many worker processes a job gets where nobody said, and why."""

from __future__ import annotations

import socket

import pytest

from producer.worker_count import choose_workers, is_on_this_machine
from shared.settings import load_settings

NEAR = "postgresql://u:p@localhost/db"
FAR = "postgresql://u:p@db.example.org/db"


@pytest.mark.parametrize(
    ("url", "near"),
    [
        (None, True),
        ("postgresql://u@/db?host=/run/postgresql", True),
        ("postgresql://u@%2Frun%2Fpostgresql/db", True),
        ("postgresql:///db", True),
        (NEAR, True),
        ("postgresql://u:p@127.0.0.1:6432/db", True),
        ("postgresql://u:p@[::1]/db", True),
        (f"postgresql://u:p@{socket.gethostname()}/db", True),
        (FAR, False),
        ("postgresql://u:p@10.0.0.7/db", False),
        ("postgresql://u:p@localhost,db.example.org/db", False),
        ("postgresql://u:p@localhost/db?host=db.example.org", False),
    ],
)
def test_the_targets_url_says_whether_it_is_on_this_machine(url: str | None, near: bool) -> None:  # noqa: FBT001 - a case
    """A socket, a loopback address, no host at all, and no target: the embedded server."""
    assert is_on_this_machine(load_settings(target_url=url)) is near


@pytest.mark.parametrize(
    ("url", "cores", "left", "said"),
    [
        (NEAR, 2, 97, "2 worker processes: 2 cores, PostgreSQL on the same machine"),
        (NEAR, 1, 97, "2 worker processes: 1 core, PostgreSQL on the same machine"),
        (NEAR, 8, 97, "6 worker processes: 8 cores, PostgreSQL on the same machine"),
        (FAR, 8, None, "8 worker processes: 8 cores, PostgreSQL on another machine"),
        (FAR, 64, 20, "9 worker processes: 64 cores, PostgreSQL on another machine, which has 20 connections left"),
        (NEAR, 2, 3, "1 worker process: 2 cores, PostgreSQL on the same machine, which has 3 connections left"),
    ],
)
def test_cores_place_and_room_decide(url: str, cores: int, left: int | None, said: str) -> None:
    """Three quarters of the cores beside PostgreSQL, all of them elsewhere; never more than connections allow."""
    assert str(choose_workers(load_settings(target_url=url), left=left, cores=cores)) == said


def test_what_was_set_stands() -> None:
    """Also where PostgreSQL has no room for it: `producer check` says so then."""
    chosen = choose_workers(load_settings(target_url=NEAR, workers=40), left=3, cores=2)
    assert str(chosen) == "40 worker processes: set by --workers or PGCONVOY_WORKERS"
