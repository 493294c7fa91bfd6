"""The wire that fails on purpose does what its tests rely on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from faultkit import Act, Way, Wire
from fleetkit import await_true


class Shouter:
    """A server that answers each line in capitals, and remembers what it got and how a connection ended."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self.got: list[bytes] = []
        self.ends: list[str] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._talk, args=(self._listener.accept()[0],), daemon=True).start()

    def _talk(self, talk: socket.socket) -> None:
        with talk:
            try:
                while got := talk.recv(65536):
                    self.got.append(got)
                    talk.sendall(got.upper())
                self.ends.append("end")
            except ConnectionResetError:
                self.ends.append("reset")


@pytest.fixture
def shouter() -> Iterator[Shouter]:
    """The server behind the wire."""
    server = Shouter()
    yield server
    server.close()


@pytest.fixture
def wire(shouter: Shouter) -> Iterator[Wire]:
    """A wire to it."""
    with Wire(shouter.address) as between:
        yield between


@pytest.fixture
def client(wire: Wire) -> Iterator[socket.socket]:
    """A client that is connected through the wire."""
    with socket.create_connection(("127.0.0.1", wire.port), timeout=10) as talk:
        talk.sendall(b"hello\n")
        assert talk.recv(99) == b"HELLO\n"
        yield talk


def test_a_cut_keeps_the_pattern_from_both_sides(wire: Wire, client: socket.socket, shouter: Shouter) -> None:
    """However it is cut into packets: what comes before it arrives, both sides get a reset."""
    fault = wire.arm(Act.CUT, b"COMMIT", after=b"rows")
    client.sendall(b"COMMIT; these are ro")
    assert client.recv(99) == b"COMMIT; THESE ARE RO"
    client.sendall(b"ws COM")
    assert client.recv(99) == b"WS COM"
    client.sendall(b"MIT")
    with pytest.raises(ConnectionResetError):
        client.recv(99)
    await_true(lambda: shouter.ends, "the server hears of it")
    assert (shouter.ends, fault.happened) == (["reset"], True)
    assert not any(b"MIT" in got[2:] for got in shouter.got[2:])


def test_a_lost_answer_was_given(wire: Wire, client: socket.socket, shouter: Shouter) -> None:
    """The server did what it was asked for, the client gets a reset."""
    wire.arm(Act.LOSE_ANSWER, b"COMMIT")
    client.sendall(b"COMMIT")
    with pytest.raises(ConnectionResetError):
        client.recv(99)
    assert shouter.got[-1] == b"COMMIT"


def test_a_half_closed_wire_carries_the_other_way(wire: Wire, client: socket.socket, shouter: Shouter) -> None:
    """Whoever should have got the pattern sees an end and no reset."""
    wire.arm(Act.HALF_CLOSE, b"bye")
    client.sendall(b"bye")
    assert client.recv(99) == b""
    assert shouter.ends == ["end"]


def test_a_stalled_wire_goes_on(wire: Wire, client: socket.socket, shouter: Shouter) -> None:
    """One way or both, at a pattern or on command; nothing is lost."""
    for act in (Act.STALL, Act.STALL_BOTH, Act.STALL_ANSWER):
        shouter.got.clear()
        fault = wire.arm(act, b"three", bytes_later=2)
        client.sendall(b"one two three four")
        fault.await_done()
        if act is Act.STALL_ANSWER:
            await_true(lambda: b"".join(shouter.got) == b"one two three four", "the server has it all")
        wire.go_on()
        heard = b""
        while len(heard) < 18:
            heard += client.recv(99)
        assert heard == b"ONE TWO THREE FOUR"
    wire.stall(Way.TO_SERVER)
    client.sendall(b"late")
    wire.go_on()
    assert client.recv(99) == b"LATE"


def test_on_command_it_cuts_and_refuses(wire: Wire, client: socket.socket) -> None:
    """Open connections get a reset, and so do new ones while it refuses."""
    wire.refuse()
    assert wire.cut() == 1
    with pytest.raises(ConnectionResetError):
        client.recv(99)
    with pytest.raises(ConnectionError), socket.create_connection(("127.0.0.1", wire.port), timeout=10) as talk:
        talk.recv(99)
    wire.disarm()
    with socket.create_connection(("127.0.0.1", wire.port), timeout=10) as talk:
        talk.sendall(b"again")
        assert talk.recv(99) == b"AGAIN"
