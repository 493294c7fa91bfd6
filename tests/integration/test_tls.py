"""Encrypted connections: each driver checks authority and host, shows its own certificate, and says what failed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from fleetkit import RedisServer, TestPostgres
from icukit import IcuPostgres, programs
from pydantic import SecretStr
from tlskit import Authority, Certificate, TlsFront

from shared.broker import Broker, celery_settings
from shared.errors import ConvoyError, UnreachableError
from shared.settings import Settings
from shared.target.connections import SessionSettings, connect_arrow, connect_rows

_SESSION = SessionSettings(
    application_name="pgconvoy test", connect_timeout_s=5, lock_timeout_s=5, idle_timeout_s=60, durable=True
)
_DRIVERS = pytest.mark.parametrize("connect", [connect_rows, connect_arrow], ids=["psycopg2", "adbc"])
Connect = Callable[[str, SessionSettings], Any]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The one that the operator trusts."""
    return Authority(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One that nobody trusts."""
    return Authority(tmp_path_factory.mktemp("tls") / "strangers")


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Certificate:
    """Of the host 127.0.0.1 alone: "localhost" is another name."""
    return authority.issue("127.0.0.1")


@pytest.fixture(scope="module")
def front(postgres_server: TestPostgres, certificate: Certificate) -> Iterator[TlsFront]:
    """PostgreSQL behind TLS."""
    folder = parse_qs(urlsplit(postgres_server.url).query)["host"][0]
    with TlsFront(Path(folder) / ".s.PGSQL.5432", certificate, postgres=True) as listening:
        yield listening


def _url(port: int, trusted: Path, *, host: str = "127.0.0.1", more: str = "") -> str:
    return f"postgresql://postgres@{host}:{port}/postgres?sslmode=verify-full&sslrootcert={quote(str(trusted))}{more}"


def _ask(connect: Connect, url: str, question: str = "SELECT 1") -> Any:
    with closing(connect(url, _SESSION)) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(question)
        return cursor.fetchone()[0]


def _sentence(act: Callable[[], object]) -> str:
    with pytest.raises(ConvoyError) as refused:
        act()
    assert isinstance(refused.value, UnreachableError)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@_DRIVERS
def test_a_certificate_of_a_trusted_authority_serves(connect: Connect, front: TlsFront, authority: Authority) -> None:
    """Both drivers speak TLS, the one that brings its own libpq too."""
    before = front.encrypted
    assert _ask(connect, _url(front.port, authority.file)) == 1
    assert front.encrypted > before


@_DRIVERS
def test_a_certificate_of_another_host_is_refused(connect: Connect, front: TlsFront, authority: Authority) -> None:
    """Both names are told, and what to look at."""
    said = _sentence(lambda: connect(_url(front.port, authority.file, host="localhost"), _SESSION))
    assert '"127.0.0.1"' in said
    assert 'does not match host name "localhost"' in said
    assert "sslrootcert" in said


@_DRIVERS
def test_a_certificate_of_a_stranger_is_refused(connect: Connect, front: TlsFront, stranger: Authority) -> None:
    """Whoever answers in the server's place cannot read what is sent."""
    said = _sentence(lambda: connect(_url(front.port, stranger.file), _SESSION))
    assert "certificate verify failed" in said
    assert "sslrootcert" in said


@_DRIVERS
def test_a_missing_authority_is_named(connect: Connect, front: TlsFront, tmp_path: Path) -> None:
    """The file that is not there."""
    said = _sentence(lambda: connect(_url(front.port, tmp_path / "none.pem"), _SESSION))
    assert str(tmp_path / "none.pem") in said


@_DRIVERS
def test_a_server_without_tls_gets_no_password(connect: Connect, authority: Authority) -> None:
    """verify-full never falls back to plain text."""
    import socketserver  # noqa: PLC0415 - for this alone
    import threading  # noqa: PLC0415 - the same

    heard: list[bytes] = []

    class Refusing(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            heard.append(self.request.recv(1000))
            self.request.sendall(b"N")
            heard.append(self.request.recv(1000))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said = _sentence(lambda: connect(_url(server.server_address[1], authority.file), _SESSION))
        server.shutdown()
    assert "server does not support SSL" in said
    assert b"".join(heard).hex() == "0000000804d2162f"


@_DRIVERS
def test_a_client_shows_its_own_certificate(
    connect: Connect, postgres_server: TestPostgres, authority: Authority, certificate: Certificate
) -> None:
    """Where the server asks for one; without it nothing is answered."""
    folder = parse_qs(urlsplit(postgres_server.url).query)["host"][0]
    own = authority.issue("copier@convoy.example")
    shown = f"&sslcert={quote(str(own.chain))}&sslkey={quote(str(own.key))}"
    with TlsFront(Path(folder) / ".s.PGSQL.5432", certificate, clients=authority, postgres=True) as closed:
        assert _ask(connect, _url(closed.port, authority.file, more=shown)) == 1
        with pytest.raises(ConvoyError, match=r"certificate required|SSL|closed"):
            connect(_url(closed.port, authority.file), _SESSION)


@pytest.fixture(scope="module")
def own_tls(authority: Authority, certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A PostgreSQL of the system's packages that speaks TLS by itself; its port."""
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL under /usr/lib/postgresql: apt install postgresql postgresql-contrib")
    from fleetkit.redis_server import free_port  # noqa: PLC0415 - for this alone

    server = IcuPostgres(found)
    for source, name in (
        (certificate.chain, "server.crt"),
        (certificate.key, "server.key"),
        (authority.file, "ca.crt"),
    ):
        copy = server.folder / name
        shutil.copy(source, copy)
        copy.chmod(0o600)
    port = free_port()
    server.start(
        f"-c listen_addresses=127.0.0.1 -c port={port} -c ssl=on -c ssl_cert_file={server.folder}/server.crt"
        f" -c ssl_key_file={server.folder}/server.key -c ssl_ca_file={server.folder}/ca.crt"
    )
    try:
        yield port
    finally:
        server.stop()


@_DRIVERS
def test_postgresql_itself_sees_the_connection_encrypted(connect: Connect, own_tls: int, authority: Authority) -> None:
    """Its own view says so, and the name in the client's certificate."""
    own = authority.issue("copier@convoy.example")
    shown = f"&sslcert={quote(str(own.chain))}&sslkey={quote(str(own.key))}"
    asked = "SELECT ssl::text || ' ' || version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    assert _ask(connect, _url(own_tls, authority.file, more=shown), asked) == "true TLSv1.3"
    assert "does not match host name" in _sentence(
        lambda: connect(_url(own_tls, authority.file, host="localhost"), _SESSION)
    )


# --- Redis -------------------------------------------------------------------------------------------------------


def _broker(port: int, trusted: Path | None, *, host: str = "127.0.0.1", more: str = "") -> Broker:
    query = "" if trusted is None else f"?ssl_ca_certs={quote(str(trusted))}{more}"
    return Broker(Settings(broker_url=SecretStr(f"rediss://{host}:{port}/0{query}")))


@pytest.fixture
def redis_front(redis_server: RedisServer, certificate: Certificate) -> Iterator[TlsFront]:
    """Redis behind TLS."""
    with TlsFront(redis_server.port, certificate) as listening:
        yield listening


def test_redis_over_tls_serves(redis_front: TlsFront, authority: Authority) -> None:
    """Messages can be sent and counted."""
    broker = _broker(redis_front.port, authority.file)
    broker.check()
    broker.send_finish_job(1)
    assert broker.waiting() == 1
    assert redis_front.encrypted


def test_chords_over_tls_are_counted(redis_front: TlsFront, authority: Authority, redis_server: RedisServer) -> None:
    """The result backend takes the same URL, one database further."""
    _broker(redis_front.port, authority.file).send_copies(1, [1, 2])
    with redis_server.client(db=1) as client:
        assert client.dbsize()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_redis_of_a_stranger_or_another_host_is_refused(
    host: str, redis_front: TlsFront, stranger: Authority, authority: Authority
) -> None:
    """The sentence names the certificate and the parameter of the URL."""
    trusted = stranger if host == "127.0.0.1" else authority
    said = _sentence(_broker(redis_front.port, trusted.file, host=host).check)
    assert "certificate verify failed" in said
    assert "ssl_ca_certs" in said


def test_redis_over_tls_is_never_believed_blindly(redis_front: TlsFront) -> None:
    """Without a word about certificates in the URL they are asked for all the same: kombu would take any."""
    assert "certificate verify failed" in _sentence(_broker(redis_front.port, None).check)
    settings = celery_settings(Settings(broker_url=SecretStr("rediss://h/0"), result_url=SecretStr("rediss://h/1")))
    assert settings["broker_url"] == "rediss://h/0?ssl_cert_reqs=required"
    assert settings["result_backend"] == "rediss://h/1?ssl_cert_reqs=required"


def test_redis_asks_for_the_clients_certificate(
    redis_server: RedisServer, authority: Authority, certificate: Certificate
) -> None:
    """Broker and result backend show it."""
    own = authority.issue("copier@convoy.example")
    shown = f"&ssl_certfile={quote(str(own.chain))}&ssl_keyfile={quote(str(own.key))}"
    with TlsFront(redis_server.port, certificate, clients=authority) as closed:
        _broker(closed.port, authority.file, more=shown).send_copies(1, [1])
        with pytest.raises(UnreachableError):
            _broker(closed.port, authority.file).check()
