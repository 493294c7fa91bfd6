"""One look at the rows of a key range.

Columns that held one storage class before, as most do, are read into Arrow and told there (`sqlite_arrow_look`). The
others usually take one statement: it counts the rows that are of the storage classes that each column had before, and
asks about values as if all were; the answers count only where all are. Else, and at first, the classes are counted, and
then each is asked about by itself. What the answers leave open is asked then. So nearly every range costs one pass or
two, and no answer rests on a guess that was not confirmed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from shared.records.source import SourceTable, StorageClass
from shared.source.sqlite_arrow_look import ArrowLook
from shared.source.sqlite_column_look import SAMPLED_REALS, ClassCounts, ColumnLook
from shared.source.sqlite_keys import Clause, table_sql
from shared.source.sqlite_questions import FRACTION_FUNCTION, Question, class_questions, reals_beyond

_QUESTIONS_A_STATEMENT: Final = 400
"""SQLite allows 2,000 result columns and a statement of 1,000,000 bytes; a question about times takes up to 2,000."""

_Asked: TypeAlias = tuple[ColumnLook, ClassCounts, list[Question]]
"""A column, how many values of each class it has in a key range, and what is to be asked about them."""


class TableLook:
    """What one process sees of a table.

    Args:
        table: The table.
        joined: Whether texts may be judged together, as those of UTF-8 may.
        arrow: Reads what is as it was before; None: SQL is asked about everything.
    """

    def __init__(self, table: SourceTable, *, joined: bool, arrow: ArrowLook | None = None) -> None:
        self.table = table
        self._arrow = arrow
        self.rows = 0
        self.columns = {
            column.name: ColumnLook(column, strict=table.strict, joined=joined)
            for column in table.columns
            if column.name != table.rowid_column
        }

    def see(self, connection: sqlite3.Connection, clause: Clause, *, rows: int | None = None) -> None:
        """Look at the rows of a key range, whose number is known or not; the connection gives texts as bytes."""
        told, rows = self._see_in_arrow(connection, clause, rows)
        left = [look for look in self.columns.values() if id(look) not in told]
        steady = [look for look in left if look.is_steady]
        others = [look for look in left if not look.is_steady]
        if steady:
            rows = self._see_as_expected(connection, clause, steady)
        if rows is None:
            rows = self._see_by_classes(connection, clause, left, guessed={id(look) for look in steady})
        elif others:
            self._see_by_classes(connection, clause, others, guessed=set())
        self.rows += rows

    def _see_in_arrow(
        self, connection: sqlite3.Connection, clause: Clause, rows: int | None
    ) -> tuple[set[int], int | None]:
        """Let Arrow tell of the columns that it can; returns which those were, and the number of rows if it counts."""
        simple = [look for look in self.columns.values() if look.is_simple]
        if self._arrow is None or not simple:
            return set(), None
        if rows is None:
            (rows,) = self._ask(connection, clause, [Question("", "count(*)")])
        asked = [
            (found.look, found.counts, found.look.take_told(found.counts, found.told, found.texts, found.reals))
            for found in self._arrow.see(clause, simple, rows=int(rows or 0))
        ]
        self._settle(connection, clause, asked)
        told = {id(look) for look, _, _ in asked}
        return told, rows if told else None

    def _see_as_expected(
        self, connection: sqlite3.Connection, clause: Clause, looks: Sequence[ColumnLook]
    ) -> int | None:
        """Look at columns that had the same classes in all key ranges before; None where they have others now."""
        as_expected = " AND ".join(look.expectation() for look in looks)
        counting = [look.count_questions() for look in looks]
        asked = [look.questions(look.expected) for look in looks]
        answers = self._ask(
            connection,
            clause,
            [
                Question("", "count(*)"),
                Question("", f"count(CASE WHEN {as_expected} THEN 1 END)"),
                *(Question("", sql) for sqls in counting for sql in sqls),
                *(question for questions in asked for question in questions),
            ],
        )
        rows, expected, *rest = answers
        if rows != expected:
            return None
        left = iter(rest)
        counted = [[int(next(left) or 0) for _ in sqls] for sqls in counting]
        taken = []
        for look, numbers, questions in zip(looks, counted, asked, strict=True):
            counts = look.expected_counts(numbers, rows)
            look.tally.note_classes(counts)
            taken.append((look, counts, look.take([(question, next(left)) for question in questions], counts)))
        self._settle(connection, clause, taken)
        return int(rows)

    def _see_by_classes(
        self, connection: sqlite3.Connection, clause: Clause, looks: Sequence[ColumnLook], *, guessed: set[int]
    ) -> int:
        """Count the classes of columns, then ask about each class that occurs. Returns the number of rows."""
        counting = [question for look in looks for question in class_questions(look.sql)]
        rows, *answers = self._ask(connection, clause, [Question("", "count(*)"), *counting])
        left = iter(answers)
        asked = []
        for look in looks:
            counts = {storage_class: int(next(left) or 0) for storage_class in StorageClass}
            look.tally.note_classes(counts)
            look.learn(counts, rows, guessed=id(look) in guessed)
            asked.append((look, counts, look.questions([each for each, count in counts.items() if count])))
        self._settle(connection, clause, asked)
        return int(rows)

    def _settle(self, connection: sqlite3.Connection, clause: Clause, asked: Sequence[_Asked]) -> None:
        """Ask questions about some columns, and whatever the answers leave open, until nothing is."""
        left_open = [each for each in asked if each[2]]
        while left_open:
            answers = iter(self._ask(connection, clause, [each for _, _, questions in left_open for each in questions]))
            taken = [
                (look, counts, look.take([(question, next(answers)) for question in questions], counts))
                for look, counts, questions in left_open
            ]
            left_open = [each for each in taken if each[2]]
        for look, counts, _ in asked:
            if look.has_new_digits and counts.get(StorageClass.REAL):
                self._count_fraction_digits(connection, clause, look)

    def _count_fraction_digits(self, connection: sqlite3.Connection, clause: Clause, look: ColumnLook) -> None:
        """Find the most digits after the point, counting one by one only where the known most may be exceeded."""
        reals = clause.narrowed(f"typeof({look.sql}) = 'real'")
        if look.tally.fraction_digits is None:
            sample = f"SELECT {look.sql} AS real FROM {table_sql(self.table.name)} {reals.sql} LIMIT {SAMPLED_REALS}"
            most = f"SELECT max({FRACTION_FUNCTION}(real)) FROM ({sample})"
            look.tally.fraction_digits = connection.execute(most, reals.values).fetchone()[0]
        known = look.tally.fraction_digits or 0
        beyond = clause.narrowed(reals_beyond(look.sql, known))
        (exact,) = self._ask(connection, beyond, [Question("", f"max({FRACTION_FUNCTION}({look.sql}))")])
        look.tally.fraction_digits = max(known, int(exact or 0))

    def _ask(self, connection: sqlite3.Connection, clause: Clause, questions: Sequence[Question]) -> list[Any]:
        answers: list[Any] = []
        for first in range(0, len(questions), _QUESTIONS_A_STATEMENT):
            group = ", ".join(question.sql for question in questions[first : first + _QUESTIONS_A_STATEMENT])
            sql = f"SELECT {group} FROM {table_sql(self.table.name)} {clause.sql}"
            answers.extend(connection.execute(sql, clause.values).fetchone())
        return answers
