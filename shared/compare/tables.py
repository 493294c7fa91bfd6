"""Compares what cannot be seen chunk by chunk: row counts, rows under keys of their own, tables without a key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from shared.compare.findings import MOST_LISTED, Findings
from shared.compare.row_digests import RowForms, Surplus, digest, short_name, surpluses
from shared.compare.server_texts import ServerTexts
from shared.compare.shown import key_value, shown_pair, shown_row
from shared.compare.table_rows import TableRows
from shared.compare.target_rows import has_null_keys, match_places
from shared.records.keys import Value
from shared.records.plan import CompareBy, TablePlan, TypeKind
from shared.records.work import Comparison, Mismatch, MismatchKind, Reject
from shared.source.reader import SourceReader


class _Row(NamedTuple):
    values: tuple[Value, ...]
    forms: RowForms


def compare_table(
    reader: SourceReader,
    connection: Any,
    plan: TablePlan,
    *,
    source_rows: int,
    rejects: int,
    rejected: Iterable[Reject] = (),
    already: Sequence[Mismatch] = (),
) -> Comparison:
    """Compare a table as a whole, once all its chunks were compared.

    Tables with a key: where the job made the table, the target must have as many rows as were copied. If not,
    the keys of both sides are compared as multisets, which names missing and extra rows. (With ``--limit``, the
    source's rows are the first ones by chunk key.) Where the table was there before, rows of its own are no
    mismatches and its count says nothing: `shared.compare.chunks.compare_chunk` has seen every row of ours. Rows
    with NULL in the key, of which there may be several, are compared like those of tables without a key.

    Tables without a key: all rows are compared as multisets, by an order-free fingerprint; if those differ, the
    rows that differ are looked for and shown. One missing and one extra row that differ in one column alone are one
    row that is DIFFERENT there. Where the table was there before, rows are looked for that are missing, alone.

    Args:
        reader: the frozen source.
        connection: ADBC connection to PostgreSQL in a transaction; nothing is written.
        plan: the table.
        source_rows: rows that were copied or rejected, as the ledger's chunks count them.
        rejects: how many of them are rejects.
        rejected: the rejects themselves. Without them, as many missing rows as there are `rejects` are taken for
            them, whichever they are.
        already: mismatches that comparing the table's chunks found; they are not found again.
    """
    by_key = plan.compare_by is not CompareBy.MULTISET
    places = match_places(plan) if by_key else range(len(plan.columns))
    known = tuple(rejected)
    null_keys = plan.compare_by is CompareBy.KEYS and has_null_keys(connection, plan)
    normalise = ServerTexts(connection).normalise
    rows = TableRows(
        reader,
        connection,
        plan,
        places,
        normalise=normalise,
        rejected=known,
        null_keys=False if null_keys else None,
    )
    findings = Findings(plan.match_key if by_key else ())
    if not by_key:
        _compare_multisets(rows, findings, rejects - len(known), extras_count=plan.creates)
        return findings.comparison(source_rows)
    if null_keys:
        whole = range(len(plan.columns))
        nulls = TableRows(reader, connection, plan, whole, normalise=normalise, rejected=known, null_keys=True)
        _compare_multisets(nulls, findings, rejects - len(known), extras_count=plan.creates)
    expected = source_rows - rejects
    count = rows.count_target() if plan.creates else expected
    if count != expected:
        _name_rows(rows, findings, rejects - len(known), already, expected, count)
    return findings.comparison(source_rows)


def _name_rows(
    rows: TableRows, findings: Findings, allowance: int, already: Sequence[Mismatch], expected: int, found: int
) -> None:
    """Name the keys that one side has alone; where there are none, the counts themselves are the mismatch."""
    missing, extra = surpluses(rows.source, rows.target)
    missing = _less(missing, allowance)
    named = {(mismatch.kind, mismatch.key) for mismatch in already}
    kinds = tuple(column.type.kind for column in rows.columns)
    keys = [(MismatchKind.MISSING, row.values) for row in _source_rows(rows, missing)]
    keys += [
        (MismatchKind.EXTRA, tuple(key_value(form, kind) for form, kind in zip(row.forms, kinds, strict=True)))
        for row in _target_rows(rows, extra)
    ]
    for kind, key in keys:
        if (kind, key) not in named:
            findings.add(kind, key)
    findings.count(missing.rows + extra.rows - len(keys))
    if not keys and not findings.comparison(0).found:
        kind = MismatchKind.EXTRA if found > expected else MismatchKind.MISSING
        findings.add(kind, source=f"{expected} rows", target=f"{found} rows")


def _compare_multisets(rows: TableRows, findings: Findings, allowance: int, *, extras_count: bool) -> None:
    missing, extra = surpluses(rows.source, rows.target)
    missing = _less(missing, allowance)
    if not extras_count:
        extra = Surplus(rows=0, wanted={})
    lost, gained = _source_rows(rows, missing), _target_rows(rows, extra)
    unlisted = missing.rows + extra.rows - len(lost) - len(gained)
    kinds = tuple(column.type.kind for column in rows.columns)
    for place, column in enumerate(rows.columns):
        for before, after in _pairs(lost, gained, place):
            left, right = shown_pair(before.forms[place], after.forms[place], column.type.kind)
            findings.add(MismatchKind.DIFFERENT, column=column.name, source=left, target=right)
    _show_rows(findings, lost, gained, kinds)
    findings.count(unlisted)


def _show_rows(findings: Findings, lost: list[_Row], gained: list[_Row], kinds: tuple[TypeKind, ...]) -> None:
    for text in sorted(shown_row(row.forms, kinds) for row in lost):
        findings.add(MismatchKind.MISSING, source=text)
    for text in sorted(shown_row(row.forms, kinds) for row in gained):
        findings.add(MismatchKind.EXTRA, target=text)


def _pairs(lost: list[_Row], gained: list[_Row], place: int) -> list[tuple[_Row, _Row]]:
    """Take pairs out of both lists that are equal but for one column."""
    by_rest: dict[RowForms, list[_Row]] = {}
    for row in gained:
        by_rest.setdefault(_rest(row, place), []).append(row)
    pairs = []
    for row in list(lost):
        candidates = by_rest.get(_rest(row, place))
        if candidates:
            pairs.append((row, candidates.pop()))
    for before, after in pairs:
        lost.remove(before)
        gained.remove(after)
    return pairs


def _rest(row: _Row, place: int) -> RowForms:
    return row.forms[:place] + row.forms[place + 1 :]


def _less(missing: Surplus, allowance: int) -> Surplus:
    """Without the rejects that nobody named."""
    if allowance <= 0:
        return missing
    rows = max(0, missing.rows - allowance)
    names = list(missing.wanted.items())[:rows]
    return Surplus(rows=rows, wanted=dict(names))


def _source_rows(rows: TableRows, surplus: Surplus) -> list[_Row]:
    return _wanted((_Row(values, forms) for values, forms in rows.source_with_values()), surplus)


def _target_rows(rows: TableRows, surplus: Surplus) -> list[_Row]:
    return _wanted((_Row((), forms) for forms in rows.target()), surplus)


def _wanted(rows: Iterable[_Row], surplus: Surplus) -> list[_Row]:
    """The rows that a surplus names, as often as it says."""
    wanted = dict(surplus.wanted)
    found: list[_Row] = []
    if not wanted:
        return found
    for row in rows:
        name = short_name(digest(row.forms))
        if wanted.get(name) and len(found) < MOST_LISTED:
            wanted[name] -= 1
            found.append(row)
    return found
