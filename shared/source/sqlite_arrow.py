"""Connections to a SQLite file over ADBC, which hands out columns; none of them can write."""

from __future__ import annotations

from collections.abc import Iterable

from adbc_driver_sqlite import dbapi

from shared.source.sqlite_defences import defending_statements


def connect_columns(uri: str, opening: Iterable[str] = ()) -> dbapi.Connection:
    """Open a connection.

    Args:
        uri: The file as SQLite takes it, with ``mode=ro``: that is what keeps it from being written to.
        opening: Statements that make what is temporary; afterwards nothing is made at all.
    """
    connection = dbapi.connect(uri)
    try:
        version = str(connection.adbc_get_info()["vendor_version"]).split(".")
        defences = defending_statements(tuple(map(int, version)))
        with connection.cursor() as cursor:
            for statement in (*defences, *opening, "PRAGMA query_only = ON"):
                cursor.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection
