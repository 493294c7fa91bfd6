"""Types that only PostgreSQL can read (inet, ranges, arrays, enums): it spells out source values by its own cast."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

from shared.records.plan import TargetType

_SAFE_CASTS_SINCE: Final = 160_000
"""pg_input_is_valid came with PostgreSQL 16: https://www.postgresql.org/docs/16/release-16.html"""


class ServerTexts:
    """Asks one connection how PostgreSQL writes values of a type."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._safe: bool | None = None

    def normalise(self, texts: list[str | None], type_: TargetType) -> list[str | None]:
        """Cast texts to a type and back; None for what PostgreSQL does not take as one of its values.

        Before PostgreSQL 16 there is no way to ask without risking the transaction: there, a text that the
        type refuses ends it with PostgreSQL's own error.
        """
        if all(text is None for text in texts):
            return [None] * len(texts)
        batch = pa.record_batch([pa.array([texts], pa.list_(pa.string()))], names=["texts"])
        with self._connection.cursor() as cursor:
            cursor.execute(self._statement(type_), batch)
            return list(cursor.fetch_arrow_table().column(0).to_pylist())

    def _statement(self, type_: TargetType) -> str:
        cast = f"(s.value::{type_.sql})::text"
        if self._casts_are_safe():
            # CASE looks first, so that a refused text does not end the transaction.
            type_name = type_.sql.replace("'", "''")
            cast = f"CASE WHEN pg_input_is_valid(s.value, '{type_name}') THEN {cast} END"
        return f"SELECT {cast} FROM unnest($1) WITH ORDINALITY AS s(value, place) ORDER BY s.place"

    def _casts_are_safe(self) -> bool:
        if self._safe is None:
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT current_setting('server_version_num')::integer")
                self._safe = cursor.fetchone()[0] >= _SAFE_CASTS_SINCE
        return self._safe
