"""What an operator may ask for: options and rules that contradict neither each other nor the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st
from oraclekit import Handling

from shared.records.plan import JobOptions, ProfileMode, TypesPolicy
from shared.records.rules import BadTextPolicy, NulPolicy, Rule, SourceForm
from tablekit.names import escaped
from tablekit.tables import MadeColumn, MadeTable

_TYPES = st.sampled_from(
    ["text", "varchar(4)", "char(5)", "bigint", "integer", "smallint", "numeric", "numeric(8,3)", "double precision",
     "real", "boolean", "bytea", "uuid", "jsonb", "date", "time", "timestamp", "timestamptz", "timestamp(3)",
     "time(0)"]
)  # fmt: skip
_MOMENTS = st.sampled_from([None, None, "timestamptz", "timestamp", "date", "timestamp(3)"])


@dataclass(frozen=True)
class Asked:
    """The options of a job, and what their rules say of each column."""

    options: JobOptions
    handlings: dict[tuple[str, str], Handling]
    encoding: str
    tiny_sample: bool


@st.composite
def asked_for(draw: st.DrawFn, tables: Sequence[MadeTable]) -> Asked:
    """Draw what is asked for of these tables."""
    rules: list[Rule] = []
    handlings: dict[tuple[str, str], Handling] = {}
    if draw(st.booleans()):
        for table in tables:
            for column in table.columns:
                if not column.generated and draw(st.booleans()):
                    rule = draw(_rules(table, column))
                    rules.append(rule)
                    handlings[table.name, column.name] = _handling(rule)
    sample = draw(st.integers(0, 3)) == 0
    options = JobOptions(
        snapshot=False,
        types=draw(st.sampled_from(TypesPolicy)),
        profile=ProfileMode.SAMPLE if sample else ProfileMode.FULL,
        preserve_identifiers=draw(st.booleans()),
        chunk_bytes=draw(st.sampled_from([2**25, 2**25, 1, 40])),
        rules=tuple(rules),
    )
    encoding = draw(st.sampled_from(["UTF-8", "UTF-8", "UTF-8", "UTF-16le", "UTF-16be"]))
    return Asked(options=options, handlings=handlings, encoding=encoding, tiny_sample=sample)


@st.composite
def _rules(draw: st.DrawFn, table: MadeTable, column: MadeColumn) -> Rule:
    where = {"table": escaped(table.name), "column": escaped(column.name)}
    match draw(st.integers(0, 6)):
        case 0:
            return Rule(**where, form=draw(st.sampled_from(SourceForm)), type=draw(_MOMENTS))
        case 1 | 2:
            return Rule(**where, type=draw(_TYPES))
        case 3:
            return Rule(**where, bad_utf8=BadTextPolicy.BYTEA)
        case 4:
            return Rule(**where, null_if_empty=True, type=draw(st.none() | _TYPES))
    return Rule(
        **where,
        null_if_empty=draw(st.booleans()),
        nul=draw(st.sampled_from(NulPolicy)),
        bad_utf8=draw(st.sampled_from([each for each in BadTextPolicy if each is not BadTextPolicy.BYTEA])),
    )


def _handling(rule: Rule) -> Handling:
    return Handling(
        form=rule.form,
        null_if_empty=bool(rule.null_if_empty),
        nul=rule.nul or "reject",
        bad_utf8=rule.bad_utf8 or "reject",
    )
