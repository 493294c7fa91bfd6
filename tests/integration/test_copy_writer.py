from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import adbc_driver_postgresql.dbapi
import psycopg2
import pyarrow as pa
import pytest
import sqlalchemy
from fleetkit import TestPostgres
from targetkit import SESSION, column, plan_of, source_rows, stored

from shared.errors import (
    ConflictError,
    ConvoyError,
    NotArrowableError,
    OperatorError,
    PermanentError,
    TransientError,
    UnreachableError,
)
from shared.quoting import qualified, quote
from shared.target.careful_writer import write_carefully
from shared.target.connections import connect_arrow, connect_rows, translate_error
from shared.target.convert import to_target
from shared.target.copy_writer import write_bare


@pytest.fixture
def rows(target_url: str) -> Iterator[Any]:
    """A psycopg2 connection to a fresh database."""
    connection = connect_rows(target_url, SESSION)
    yield connection
    connection.close()


@pytest.fixture
def arrow(target_url: str) -> Iterator[Any]:
    """An ADBC connection to the same database."""
    connection = connect_arrow(target_url, SESSION)
    yield connection
    connection.close()


def _run(connection: Any, statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        found = cursor.fetchall() if cursor.description else []
    connection.commit()
    return list(found)


def test_rows_are_there_when_the_caller_commits(arrow: Any, rows: Any) -> None:
    """A COPY is part of the caller's transaction: rolled back, nothing is there; committed, everything is."""
    _run(rows, "CREATE TABLE public.t (id bigint, name text)")
    typed = (column("bigint", "id"), column("text", "name"))
    data = to_target(stored([1, 2], ["a", None]), typed)
    assert write_bare(arrow, data, plan_of(*typed)) == 2
    arrow.rollback()
    assert _run(rows, "SELECT * FROM public.t") == []
    write_bare(arrow, data, plan_of(*typed))
    arrow.commit()
    assert _run(rows, "SELECT * FROM public.t ORDER BY id") == [(1, "a"), (2, None)]


def test_odd_names_and_other_columns_are_no_trouble(arrow: Any, rows: Any) -> None:
    """Names with quotes, dots, percent signs and capitals work; columns of the table that the plan leaves out are left
    to their defaults; an identity that is GENERATED ALWAYS takes the source's values.
    """
    schema, name, first, second = 'my "schema', 'Order "1".%s', "select", 'a"b.%s'
    _run(rows, f"CREATE SCHEMA {quote(schema)}")
    _run(
        rows,
        f"CREATE TABLE {qualified(schema, name)} (extra text DEFAULT 'x', {quote(second)} date,"
        f" {quote(first)} integer GENERATED ALWAYS AS IDENTITY,"
        f" twice integer GENERATED ALWAYS AS ({quote(first)} * 2) STORED)",
    )
    typed = (column("integer", first), column("date", second))
    write_bare(arrow, to_target(stored([7], ["2024-02-29"]), typed), plan_of(*typed, name=name, schema=schema))
    arrow.commit()
    assert _run(rows, f"SELECT extra, {quote(first)}, twice FROM {qualified(schema, name)}") == [("x", 7, 14)]


def test_an_empty_chunk_copies_no_rows(arrow: Any, rows: Any) -> None:
    """A key range whose rows are all gone is copied without complaint."""
    _run(rows, "CREATE TABLE public.t (id bigint)")
    typed = column("bigint", "id")
    assert write_bare(arrow, to_target(stored([]), [typed]), plan_of(typed)) == 0


@pytest.mark.parametrize(
    ("sql", "value"),
    [("json", "{nonsense"), ("jsonb", "{nonsense"), ("text CHECK (v <> 'x')", "x"), ("text NOT NULL", None)],
)
def test_values_that_postgresql_refuses_ask_for_the_careful_path(arrow: Any, rows: Any, sql: str, value: str) -> None:
    """Where PostgreSQL refuses a value or a row, the caller hears that Arrow cannot carry the chunk."""
    _run(rows, f"CREATE TABLE public.t (v {sql})")
    typed = column(sql.split(maxsplit=1)[0])
    with pytest.raises(NotArrowableError, match=r'"public"."t" did not take the rows as Arrow: .+ \[SQLSTATE 2'):
        write_bare(arrow, to_target(stored([value]), [typed]), plan_of(typed))


def test_a_missing_table_is_permanent(arrow: Any) -> None:
    """What no retry and no other path can mend is said so, on one line."""
    typed = column("bigint")
    with pytest.raises(
        PermanentError, match=r'copying into "public"."t": relation "public.t" does not exist'
    ) as failure:
        write_bare(arrow, to_target(stored([1]), [typed]), plan_of(typed))
    assert "\n" not in str(failure.value)


def test_a_missing_privilege_is_the_operators(target_url: str, rows: Any) -> None:
    """A role that may not write hears it as its operator's business."""
    _run(rows, "CREATE TABLE public.t (v bigint)")
    _run(rows, "DO $$ BEGIN CREATE ROLE reader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    connection = connect_arrow(target_url.replace("postgres:", "reader:"), SESSION)
    typed = column("bigint")
    with pytest.raises(OperatorError, match=r"permission denied for table t \[SQLSTATE 42501"):
        write_bare(connection, to_target(stored([1]), [typed]), plan_of(typed))
    connection.close()


def test_a_missing_parent_may_still_come(arrow: Any, rows: Any) -> None:
    """A foreign key whose parent row isn't there is worth another attempt."""
    _run(rows, "CREATE TABLE public.p (id bigint PRIMARY KEY)")
    _run(rows, "CREATE TABLE public.t (v bigint REFERENCES public.p)")
    typed = column("bigint")
    with pytest.raises(TransientError, match="foreign key"):
        write_bare(arrow, to_target(stored([1]), [typed]), plan_of(typed))


def _use(connection: Any) -> None:
    typed = column("bigint")
    if isinstance(connection, psycopg2.extensions.connection):
        write_carefully(connection, [source_rows([1])], plan_of(typed))
    else:
        write_bare(connection, to_target(stored([1]), [typed]), plan_of(typed))


def test_a_lost_connection_is_transient(target_url: str, rows: Any) -> None:
    """A server process that is gone is worth another attempt, whichever driver notices it."""
    _run(rows, "CREATE TABLE public.t (v bigint)")
    for connect in (connect_arrow, connect_rows):
        lost = connect(target_url, SESSION)
        (pid,) = _run(lost, "SELECT pg_backend_pid()")[0]
        assert _run(rows, f"SELECT pg_terminate_backend({pid}, 5000)") == [(True,)]
        with pytest.raises(TransientError) as failure:
            _use(lost)
        assert "\n" not in str(failure.value)
        lost.close()


def test_a_held_lock_is_transient(target_url: str, rows: Any) -> None:
    """A lock that isn't given within lock_timeout is worth another attempt."""
    _run(rows, "CREATE TABLE public.t (v bigint)")
    with rows.cursor() as cursor:
        cursor.execute("LOCK TABLE public.t")
    connection = connect_arrow(target_url, replace(SESSION, lock_timeout_s=0.01))
    typed = column("bigint")
    with pytest.raises(TransientError, match="lock timeout"):
        write_bare(connection, to_target(stored([1]), [typed]), plan_of(typed))
    connection.close()


def test_a_deadlock_is_a_conflict(target_url: str, rows: Any) -> None:
    """Of two sessions that wait for each other, the one that PostgreSQL chose hears that it may try again."""
    _run(rows, "CREATE TABLE public.a ()")
    _run(rows, "CREATE TABLE public.b ()")
    other = connect_rows(target_url, SESSION)
    failures: list[ConvoyError] = []

    def lock(connection: Any, table: str) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE public.{table}")
        except psycopg2.Error as error:
            failures.append(translate_error(error, what="locking"))
            connection.rollback()

    lock(rows, "a")
    lock(other, "b")
    waiting = threading.Thread(target=lock, args=(other, "a"))
    waiting.start()
    lock(rows, "b")
    waiting.join()
    assert [type(failure) for failure in failures] == [ConflictError]
    other.close()


@pytest.mark.parametrize("connect", [connect_arrow, connect_rows])
def test_sessions_are_set_up_and_stay_so(target_url: str, connect: Any) -> None:
    """Both kinds of session have pgconvoy's settings, before and after a rollback, in spite of the database's own."""
    session = connect_rows(target_url, SESSION)
    (database,) = _run(session, "SELECT current_database()")[0]
    for setting in ("statement_timeout = '5s'", "default_transaction_isolation = 'serializable'"):
        _run(session, f"ALTER DATABASE {quote(database)} SET {setting}")
    session.close()
    connection = connect(target_url, SESSION)
    wanted = {
        "application_name": "pgconvoy test",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "1min",
        "statement_timeout": "0",
        "default_transaction_isolation": "read committed",
        "client_connection_check_interval": "2s",
        "synchronous_commit": "off",
        "TimeZone": "UTC",
        "DateStyle": "ISO, YMD",
        "search_path": "pg_catalog",
        "client_encoding": "UTF8",
        "standard_conforming_strings": "on",
    }
    for _ in range(2):
        found = {name: _run(connection, f"SELECT current_setting('{name}')")[0][0] for name in wanted}
        connection.rollback()
        assert found == wanted
    connection.close()


@pytest.mark.parametrize(("durable", "commit"), [(True, "on"), (False, "off")])
def test_durable_sessions_keep_the_servers_commit(target_url: str, rows: Any, durable: bool, commit: str) -> None:  # noqa: FBT001 - a parameter of the test
    """A durable session waits for its commits as the server is set to; another one doesn't."""
    (database,) = _run(rows, "SELECT current_database()")[0]
    _run(rows, f"ALTER DATABASE {quote(database)} SET synchronous_commit = 'on'")
    session = replace(SESSION, durable=durable)
    connection = connect_arrow(target_url, session)
    assert _run(connection, "SELECT current_setting('synchronous_commit')") == [(commit,)]
    connection.close()


def test_tcp_sessions_have_keepalives(postgres_server: TestPostgres, tmp_path: Any) -> None:
    """Over TCP both ends watch the connection; what the operator set in the URL stays."""
    captured: list[str] = []

    class Refused(Exception):  # noqa: N818 - it ends the attempt here
        pass

    def connect(dsn: str) -> None:
        captured.append(dsn)
        raise Refused

    original, psycopg2.connect = psycopg2.connect, connect
    try:
        with pytest.raises(Refused):
            connect_rows("postgresql://u:p@h1:1,h2:2/db?keepalives_idle=99&sslmode=require", SESSION)
    finally:
        psycopg2.connect = original
    (dsn,) = captured
    assert dsn.startswith("postgresql://u:p@h1:1,h2:2/db?keepalives_idle=99&sslmode=require&")
    assert dsn.count("keepalives_idle=") == 1
    assert "tcp_user_timeout=25000" in dsn
    assert "application_name=pgconvoy%20test" in dsn


@pytest.mark.parametrize("connect", [connect_arrow, connect_rows])
def test_a_server_that_is_not_there_is_unreachable_and_the_password_stays_secret(connect: Any) -> None:
    """The message names where, not the password, and no cause with the driver's own text hangs on it."""
    with pytest.raises(UnreachableError, match=r"cannot open a connection to the target .*127\.0\.0\.1") as failure:
        connect("postgresql://bob:hunter22@127.0.0.1:1/db", SESSION)
    _assert_secret(failure.value, "hunter22")


@pytest.mark.parametrize("connect", [connect_arrow, connect_rows])
@pytest.mark.parametrize("password", ["p@hunter22", "hunter22/x", "p@x/hunter22", "50%hunter22"])
def test_a_password_that_is_not_encoded_is_the_operators_and_stays_secret(connect: Any, password: str) -> None:
    """Libpq would cut such a URL at the wrong place and quote half a password as the host's name."""
    with pytest.raises(OperatorError, match="percent-encoded") as failure:
        connect(f"postgresql://bob:{password}@127.0.0.1:1/db", SESSION)
    assert "hunter22" not in str(failure.value)
    assert "bob" in str(failure.value)


@pytest.mark.parametrize("connect", [connect_arrow, connect_rows])
def test_a_refused_login_is_unreachable(target_url: str, connect: Any) -> None:
    """A role or database that doesn't exist is told apart from a lost connection."""
    with pytest.raises(UnreachableError, match='role "nobody" does not exist'):
        connect(target_url.replace("postgres:", "nobody:"), SESSION)
    with pytest.raises(UnreachableError, match='database "nothing" does not exist'):
        connect(re.sub(r"/\w+\?", "/nothing?", target_url), SESSION)


@pytest.mark.parametrize("connect", [connect_arrow, connect_rows])
def test_an_unknown_parameter_is_the_operators(target_url: str, connect: Any) -> None:
    """A URL that libpq doesn't understand is a setting to correct."""
    with pytest.raises(OperatorError, match="nonsense"):
        connect(f"{target_url}&nonsense=1", SESSION)


def test_errors_inside_sqlalchemy_are_translated_alike(target_url: str) -> None:
    """SQLAlchemy's wrapping, with its statement and parameters, doesn't show."""
    engine = sqlalchemy.create_engine(target_url.replace("postgresql://", "postgresql+psycopg2://"))
    with engine.connect() as connection, pytest.raises(sqlalchemy.exc.DBAPIError) as raised:
        connection.execute(sqlalchemy.text("SELECT CAST(:v AS integer)"), {"v": "abc"})
    engine.dispose()
    failure = translate_error(raised.value, what="asking")
    assert type(failure) is PermanentError
    assert str(failure) == 'asking: invalid input syntax for type integer: "abc" [SQLSTATE 22P02]'


def test_a_long_detail_is_cut(arrow: Any, rows: Any) -> None:
    """PostgreSQL's DETAIL may quote a whole row; at most 300 characters of it are shown."""
    _run(rows, "CREATE TABLE public.t (v text NOT NULL, w text)")
    data = pa.table({"v": pa.array([None], pa.string()), "w": ["word " * 500]})
    with arrow.cursor() as cursor, pytest.raises(adbc_driver_postgresql.dbapi.Error) as raised:
        cursor.adbc_ingest("t", data, mode="append", db_schema_name="public")
    message = str(translate_error(raised.value, what="copying"))
    assert message.startswith('copying: null value in column "v"')
    assert len(message) < 450
    assert "\n" not in message


def test_our_own_errors_pass_unchanged() -> None:
    """What was translated once stays what it is."""
    failure = TransientError("as it is")
    assert translate_error(failure, what="again") is failure


def _assert_secret(failure: BaseException, secret: str) -> None:
    assert secret not in str(failure)
    assert failure.__cause__ is None
    assert failure.__suppress_context__
