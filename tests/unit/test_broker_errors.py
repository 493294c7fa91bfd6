"""What an operator is told of a broker, by what Redis said."""

from __future__ import annotations

import pytest

from shared.broker_errors import finding_and_advice


@pytest.mark.parametrize(
    ("said", "finding"),
    [
        ("Error 111 connecting to 127.0.0.1:6379. Connection refused.", "cannot be reached"),
        ("Connection closed by server.", "cannot be reached"),
        ("command not allowed when used memory > 'maxmemory'.", "is full"),
        ("Authentication required.", "refuses the login"),
        ("invalid username-password pair or user is disabled.", "refuses the login"),
        ("this user has no permissions to run the 'lpush' command", "forbids what is needed"),
        ("Redis is loading the dataset in memory", "still loads its data"),
        ("You can't write against a read only replica.", "is a replica that takes no messages"),
        ("Timeout reading from socket", "does not answer in time"),
        ("Timeout reading from 127.0.0.1:6379", "does not answer in time"),
        ("Timeout connecting to server", "does not answer in time"),
    ],
)
def test_each_state_of_a_broker_has_words_of_its_own(said: str, finding: str) -> None:
    """Starting it helps only where it is away: a full or busy one, or a wrong password, is called by its name."""
    assert finding_and_advice(said)[0] == finding
