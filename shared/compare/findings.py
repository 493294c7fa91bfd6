"""The differences that one comparison finds: all are counted, the first are listed."""

from __future__ import annotations

from typing import Final

from shared.records.keys import Value
from shared.records.work import Comparison, Mismatch, MismatchKind

MOST_LISTED: Final = 1_000
"""The contract of `shared.records.work.Comparison`: enough to see a pattern, small enough for the ledger."""


class Findings:
    """Collects the mismatches of one comparison."""

    def __init__(self, key_columns: tuple[str, ...]) -> None:
        self._key_columns = key_columns
        self._found = 0
        self._listed: list[Mismatch] = []

    @property
    def full(self) -> bool:
        """Whether further mismatches are counted alone."""
        return len(self._listed) >= MOST_LISTED

    def count(self, more: int) -> None:
        """Count mismatches that are not listed."""
        self._found += more

    def add(
        self,
        kind: MismatchKind,
        key: tuple[Value, ...] = (),
        *,
        column: str | None = None,
        source: str | None = None,
        target: str | None = None,
    ) -> None:
        """Count one mismatch, and list it while there is room."""
        self._found += 1
        if not self.full:
            self._listed.append(
                Mismatch(
                    kind=kind,
                    key_columns=self._key_columns if key else (),
                    key=key,
                    column=column,
                    source=source,
                    target=target,
                )
            )

    def comparison(self, rows: int) -> Comparison:
        """Close the comparison of `rows` source rows."""
        return Comparison(rows=rows, found=self._found, mismatches=tuple(self._listed))
