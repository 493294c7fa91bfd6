"""A TCP proxy between clients and one server that fails on purpose: on command, or at a byte pattern.

One thread runs an event loop of its own; whatever a test asks for is done there, so that nothing is torn.
"""

from __future__ import annotations

import asyncio
import enum
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from fleetkit.processes import await_true

_READ: Final = 16 * 1024
"""Bytes that are carried at once: small, so that a fault in the middle of a COPY is in its middle."""
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class Way(enum.Enum):
    """A direction."""

    TO_SERVER = "to the server"
    TO_CLIENT = "to the client"


class Act(enum.Enum):
    """What becomes of a connection; what holds the pattern itself is not carried on, unless it says so."""

    CUT = "both sides get a reset; the pattern arrives nowhere"
    LOSE_ANSWER = "the pattern arrives; the other side's answer to it does not: both sides get a reset instead"
    HALF_CLOSE = "whoever should have got the pattern sees the end of what is sent; the other way stays open"
    STALL = "nothing is carried that way any more, until `Wire.go_on`"
    STALL_BOTH = "nothing is carried either way any more, until `Wire.go_on`"
    STALL_ANSWER = "the pattern arrives; nothing is carried back, until `Wire.go_on`"


class Fault:
    """A fault that is armed: it happens `times` times, each on a connection that meets its conditions."""

    def __init__(self, act: Act, at: bytes, *, after: bytes, way: Way, bytes_later: int, times: int) -> None:
        self.act = act
        self.at = at
        self.after = after
        self.way = way
        self.bytes_later = bytes_later
        self.left = times
        self._happened = threading.Event()

    @property
    def happened(self) -> bool:
        """Whether it happened at least once."""
        return self._happened.is_set()

    def await_done(self, *, seconds: float = 60) -> None:
        """Wait until it has happened at least once."""
        await_true(self._happened.is_set, f"{self.act.name} at {self.at!r}", seconds=seconds)

    def note(self) -> None:
        """It happens now."""
        self.left -= 1
        self._happened.set()


class Wire:
    """Clients connect to `port` of 127.0.0.1, which the system chose; what they say is carried to `server`.

    Args:
        server: ``(host, port)``, or the path of a Unix socket.
    """

    def __init__(self, server: tuple[str, int] | Path) -> None:
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._faults: list[Fault] = []
        self._refuses = False
        self._delay_s = 0.0
        self._listener: asyncio.Server | None = None
        self.port = 0

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        self._do(self._open())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cut what is open and stop listening."""
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._pairs)

    def to(self, server: tuple[str, int] | Path) -> None:
        """Carry new connections to another server: a name that moved after a failover."""
        self._server = server

    def arm(
        self,
        act: Act,
        at: bytes,
        *,
        after: bytes = b"",
        way: Way = Way.TO_SERVER,
        bytes_later: int = 0,
        times: int = 1,
    ) -> Fault:
        """Let `act` happen where `at` travels `way`.

        Args:
            act: What happens.
            at: Bytes that are looked for, however they are cut into packets.
            after: Only on a connection that has carried these bytes that way before `at`, since the fault was armed.
            way: Which way `at` travels.
            bytes_later: That many bytes more travel first: into the middle of what follows.
            times: How often.
        """
        fault = Fault(act, at, after=after, way=way, bytes_later=bytes_later, times=times)
        self._now(lambda: self._faults.append(fault))
        return fault

    def cut(self) -> int:
        """Reset every open connection, on both sides; returns how many there were."""
        return self._now(lambda: sum(pair.cut() for pair in list(self._pairs)))

    def stall(self, *ways: Way) -> None:
        """Carry nothing any more, that way or both; connections that are opened meanwhile wait, too."""
        self._now(lambda: self._each(lambda pair: pair.stall(*(ways or Way))))

    def go_on(self) -> None:
        """Carry again what was stalled."""
        self._now(lambda: self._each(lambda pair: pair.go_on()))

    def refuse(self, *, refuse: bool = True) -> None:
        """Reset new connections at once: the address is there, and nobody serves it."""
        self._refuses = refuse

    def delay(self, seconds: float) -> None:
        """Carry everything this much later."""
        self._delay_s = seconds

    def disarm(self) -> None:
        """Forget all faults and carry on."""
        self._now(self._faults.clear)
        self._refuses, self._delay_s = False, 0.0
        self.go_on()

    def _each(self, act: Callable[[_Pair], object]) -> None:
        for pair in list(self._pairs):
            act(pair)

    def _now(self, act: Callable[[], Any]) -> Any:
        """Do it in the loop's thread, and wait for it."""
        done: Future[Any] = Future()

        def do() -> None:
            try:
                done.set_result(act())
            except Exception as error:  # noqa: BLE001 - raised again where it was asked for
                done.set_exception(error)

        self._loop.call_soon_threadsafe(do)
        return done.result(10)

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _open(self) -> None:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_READ)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for pair in list(self._pairs):
            pair.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: `asyncio` keeps none of those that it makes of coroutines, nor does it wait for them.
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            _reset(writer)
            return
        try:
            far = await self._connect()
        except OSError:
            _reset(writer)
            return
        except asyncio.CancelledError:
            _reset(writer)
            raise
        pair = _Pair((reader, writer), far)
        self._pairs.add(pair)
        both = [asyncio.ensure_future(self._carry(pair, way)) for way in Way]
        try:
            await asyncio.gather(*both)
        finally:
            pair.cut()
            self._pairs.discard(pair)
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._server, Path):
            return await asyncio.open_unix_connection(self._server, limit=_READ)
        return await asyncio.open_connection(*self._server, limit=_READ)

    async def _carry(self, pair: _Pair, way: Way) -> None:
        """Carry one way until its end, and then say so on the other side."""
        reader, writer = pair.side(way)
        try:
            while data := await reader.read(_READ):
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                await pair.gates[way].wait()
                if not await self._carry_on(pair, way, data, writer):
                    return
            if not pair.gone:
                await pair.gates[way].wait()
                writer.write_eof()
        except OSError:
            pair.cut()

    async def _carry_on(self, pair: _Pair, way: Way, data: bytes, writer: asyncio.StreamWriter) -> bool:
        """Carry what was read, unless a fault comes first; False where this way has ended."""
        if pair.doomed is way:  # the answer that is to be lost
            pair.cut()
            return False
        fault, before = self._due(pair, way, data)
        if fault is None:
            writer.write(data)
            await writer.drain()
            return True
        writer.write(data[:before])
        fault.note()
        return await self._happen(fault.act, pair, way, data[before:], writer)

    async def _happen(self, act: Act, pair: _Pair, way: Way, rest: bytes, writer: asyncio.StreamWriter) -> bool:
        back = Way.TO_CLIENT if way is Way.TO_SERVER else Way.TO_SERVER
        match act:
            case Act.CUT:
                pair.cut()
                return False
            case Act.HALF_CLOSE:
                writer.write_eof()
                return False
            case Act.LOSE_ANSWER:
                pair.doomed = back
            case Act.STALL:
                pair.stall(way)
            case Act.STALL_BOTH:
                pair.stall(*Way)
            case Act.STALL_ANSWER:
                pair.stall(back)
        await pair.gates[way].wait()
        writer.write(rest)
        await writer.drain()
        return True

    def _due(self, pair: _Pair, way: Way, data: bytes) -> tuple[Fault | None, int]:
        """The fault that comes in this data, if any, and how many of its bytes travel before."""
        for fault in self._faults:
            if fault.way is way and fault.left > 0:
                place = pair.look(fault, data)
                if place is not None:
                    return fault, place
        return None, 0


class _Pair:
    """A client's connection and the one that was opened to the server for it."""

    def __init__(self, near: Any, far: Any) -> None:
        self._near, self._far = near, far
        self.gates = {way: asyncio.Event() for way in Way}
        self.doomed: Way | None = None
        self.gone = False
        self._seen: dict[Fault, _Search] = {}
        self.go_on()

    def side(self, way: Way) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Where a way is read from, and where it is written to."""
        return (self._near[0], self._far[1]) if way is Way.TO_SERVER else (self._far[0], self._near[1])

    def look(self, fault: Fault, data: bytes) -> int | None:
        """How many bytes of the data travel before the fault happens; None where it does not happen in there."""
        search = self._seen.get(fault)
        if search is None:
            search = self._seen[fault] = _Search(fault)
        place = search.place_in(data)
        if place is not None:
            del self._seen[fault]  # to be met anew, where it happens several times
        return place

    def stall(self, *ways: Way) -> None:
        """Carry nothing any more."""
        for way in ways:
            self.gates[way].clear()

    def go_on(self) -> None:
        """Carry again."""
        for gate in self.gates.values():
            gate.set()

    def cut(self) -> bool:
        """Reset both sides; False where that has been done."""
        if self.gone:
            return False
        self.gone = True
        for _, writer in (self._near, self._far):
            _reset(writer)
        self.go_on()
        return True


class _Search:
    """Where a fault's conditions stand on one connection."""

    def __init__(self, fault: Fault) -> None:
        self._patterns = [pattern for pattern in (fault.after, fault.at) if pattern]
        self._later = fault.bytes_later
        self._tail = b""

    def place_in(self, data: bytes) -> int | None:
        """As `_Pair.look` says; patterns may be cut into two pieces of data, then what comes now is held back."""
        start = 0
        while self._patterns:
            pattern = self._patterns[0]
            known = self._tail + data[start:]
            found = known.find(pattern)
            if found < 0:
                self._tail = known[-len(pattern) + 1 :] if len(pattern) > 1 else b""
                return None
            begins = start + found - len(self._tail)
            self._patterns.pop(0)
            last = not self._patterns
            start, self._tail = begins + len(pattern), b""
            if last and not self._later:
                return max(begins, 0)
        here = len(data) - start
        if self._later > here:
            self._later -= here
            return None
        return start + self._later


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection so that the other side gets a reset, not an end."""
    with suppress(OSError):
        sock = writer.get_extra_info("socket")
        if sock is not None and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
