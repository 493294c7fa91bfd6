"""TLS for tests: an authority made for one test, and a front that ends TLS before any server of this machine.

The suite's own PostgreSQL and Redis are built without TLS. A front speaks it for them, as stunnel and the proxies of
hosters do; clients see no difference.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import trustme

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""What a client of PostgreSQL sends first (https://www.postgresql.org/docs/current/protocol-message-formats.html)."""
_CHUNK = 65_536


@dataclass(frozen=True)
class Certificate:
    """A certificate with its chain, and its key, as files."""

    chain: Path
    key: Path


class Authority:
    """A certificate authority that nobody else trusts."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._ca = trustme.CA()
        self.file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.file)

    def issue(self, *names: str) -> Certificate:
        """Issue a certificate for hosts (or, with ``@``, a person)."""
        issued = self._ca.issue_cert(*names)
        stem = names[0].replace("@", "_at_")
        found = Certificate(chain=self._folder / f"{stem}.pem", key=self._folder / f"{stem}.key")
        found.chain.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        found.key.touch(mode=0o600)
        found.key.write_bytes(issued.private_key_pem.bytes())
        return found


class TlsFront:
    """Listens on a port of this machine, ends TLS there and hands what was said on; a context manager.

    Args:
        server: A Unix socket's path, or a port of this machine.
        certificate: What it shows.
        clients: The authority whose certificates clients must show; None: none are asked for.
        postgres: Whether clients ask for TLS in PostgreSQL's way before they speak it.
    """

    def __init__(
        self, server: Path | int, certificate: Certificate, *, clients: Authority | None = None, postgres: bool = False
    ) -> None:
        self._server = server
        self._postgres = postgres
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.chain, certificate.key)
        if clients is not None:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(clients.file)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.encrypted = 0
        """Connections that came through their handshake."""

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in accept
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:  # who is refused, or gone, is let go
            stack.enter_context(plain)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._postgres:
                if plain.recv(len(_SSL_REQUEST), socket.MSG_WAITALL) != _SSL_REQUEST:
                    return
                plain.sendall(b"S")
            client = stack.enter_context(self._context.wrap_socket(plain, server_side=True))
            # In TLS 1.3 a client's certificate is judged with its first words.
            first = client.recv(_CHUNK)
            self.encrypted += 1
            server = stack.enter_context(self._connected())
            server.sendall(first)
            _relay(client, server)

    def _connected(self) -> socket.socket:
        if isinstance(self._server, int):
            return socket.create_connection(("127.0.0.1", self._server))
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self._server))
        return server


def _relay(client: ssl.SSLSocket, server: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ, server)
        selector.register(server, selectors.EVENT_READ, client)
        while True:
            for key, _ in selector.select():
                source: socket.socket = key.fileobj  # type: ignore[assignment]
                said = source.recv(_CHUNK)
                if isinstance(source, ssl.SSLSocket):
                    while source.pending():
                        said += source.recv(_CHUNK)
                if not said:
                    return
                key.data.sendall(said)
