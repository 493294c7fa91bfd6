"""Full-text search in PostgreSQL's terms: a generated tsvector column with an index on the table that is searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from shared.quoting import quote
from shared.records.plan import Grade, GradedAs, ObjectGrade, SearchPlan, TargetColumn, TypeKind
from shared.records.source import SourceObject, VirtualModule, VirtualTable
from shared.schema.foreign_keys import Neighbour
from shared.schema.names import SYSTEM_COLUMNS, Names, fold
from shared.schema.world import World

SEARCHED_CHARACTERS: Final = 262_144
"""How much of a row is searched, in all its columns together. PostgreSQL refuses a row whose tsvector exceeds 1 MB, and
texts of short words that never come twice grow to three or four times their size. Without the bound a later row of
a long text could not be inserted at all."""
_WEIGHTS: Final = "ABCD"
"""What keeps up to four columns apart in one tsvector (PostgreSQL's documentation, section 12.3.1)."""
_COLUMN: Final = "search"
_TEXT: Final = "text"
_SPELLED: Final = frozenset(
    {
        TypeKind.SMALLINT, TypeKind.INTEGER, TypeKind.BIGINT, TypeKind.REAL, TypeKind.DOUBLE, TypeKind.NUMERIC,
        TypeKind.TEXT, TypeKind.BOOLEAN, TypeKind.UUID, TypeKind.JSON, TypeKind.JSONB,
    }
)  # fmt: skip
"""Types whose texts depend on no setting of the session, so that a generated column may be made from them."""
_STOP_WORDS: Final = "words such as 'the' are not found, and word endings are cut by a newer rule than SQLite's porter"
_TRIGRAMS: Final = "parts of words are not found: that needs the extension pg_trgm and a gin_trgm_ops index"
_CHINESE: Final = "texts without spaces between their words are found as a whole alone"
_OWN_TOKENIZER: Final = "its tokenizer is the application's own, and words may be cut otherwise"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Language:
    """The configuration of PostgreSQL's that comes nearest to a tokenizer."""

    configuration: str
    doubt: str = ""


_SIMPLE: Final = _Language(configuration="simple")
_LANGUAGES: Final[Mapping[str, _Language]] = MappingProxyType(
    {
        "porter": _Language(configuration="english", doubt=_STOP_WORDS),
        "unicode61": _SIMPLE,
        "simple": _SIMPLE,
        "ascii": _SIMPLE,
        "trigram": _Language(configuration="simple", doubt=_TRIGRAMS),
        "icu": _Language(configuration="simple", doubt=_CHINESE),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSearch:
    """What became of a full-text search table."""

    plan: SearchPlan
    grade: ObjectGrade


def plan_search(
    each: SourceObject, virtual: VirtualTable, carrier: Neighbour, taken: set[str], world: World
) -> PlannedSearch | str:
    """Plan the search of one table by the rows of `carrier`, or say in a clause why there is none.

    `taken` are the names of the columns that the carrier has; the new one joins them.
    """
    searched, left_out = _searched(virtual, carrier)
    if not searched:
        return f"none of its searched columns can be searched in {carrier.plan.name}: {'; '.join(left_out)}"
    language = _LANGUAGES.get(_first_word(virtual.tokenizer), _Language(configuration="simple", doubt=_OWN_TOKENIZER))
    name = _give_name(virtual, taken, preserve=world.options.preserve_identifiers)
    index = world.relations.give(f"{carrier.plan.name}_{name}_idx").name
    reason = _reason(virtual, carrier, name, searched, language, left_out)
    plan = SearchPlan(
        column=name,
        expression=search_expression(searched, language.configuration),
        index=index,
        graded_as=GradedAs(kind=each.kind, name=each.name, doubt=reason),
    )
    table = carrier.plan.read.table
    return PlannedSearch(
        plan=plan,
        grade=ObjectGrade(kind=each.kind, name=each.name, table=table, grade=Grade.APPROXIMATED, reason=reason),
    )


def _give_name(virtual: VirtualTable, taken: set[str], *, preserve: bool) -> str:
    wanted = virtual.name if _COLUMN in taken else _COLUMN
    name = Names(preserve=preserve, taken=taken, reserved=SYSTEM_COLUMNS).give(wanted).name
    taken.add(name)
    return name


def _first_word(tokenizer: str) -> str:
    return (fold(tokenizer).split() or ["simple"])[0]


def _searched(virtual: VirtualTable, carrier: Neighbour) -> tuple[list[TargetColumn], list[str]]:
    """The columns that are searched, and of each other one why it is not."""
    columns = {fold(column.source): column for column in carrier.plan.columns}
    searched: list[TargetColumn] = []
    left_out: list[str] = []
    for name in virtual.columns:
        column = columns.get(fold(name))
        if column is None:
            left_out.append(f"{carrier.plan.read.table} has no column {name}")
        elif column.type.kind not in _SPELLED:
            left_out.append(f"{column.name} is {column.type.sql}, which has no text that every session spells alike")
        else:
            searched.append(column)
    return searched, left_out


def search_expression(searched: Sequence[TargetColumn], configuration: str) -> str:
    """What a search column is generated from: all texts, or up to four apart by weight."""
    characters = SEARCHED_CHARACTERS // len(searched)
    texts = [f"coalesce(left({_text(column)}, {characters}), '')" for column in searched]
    if len(texts) == 1 or len(texts) > len(_WEIGHTS):
        return _vector(" || ' ' || ".join(texts), configuration)
    weighted = (
        f"setweight({_vector(text, configuration)}, '{weight}')" for text, weight in zip(texts, _WEIGHTS, strict=False)
    )
    return " || ".join(weighted)


def _vector(text: str, configuration: str) -> str:
    return f"to_tsvector('pg_catalog.{configuration}', {text})"


def _text(column: TargetColumn) -> str:
    """A column as text. One that is generated is given by its expression: PostgreSQL takes no other column's."""
    value = quote(column.name) if column.generated is None else f"({column.generated.sql})"
    return value if column.type.sql == _TEXT else f"{value}::text"


def _reason(
    virtual: VirtualTable,
    carrier: Neighbour,
    name: str,
    searched: Sequence[TargetColumn],
    language: _Language,
    left_out: Sequence[str],
) -> str:
    table = carrier.plan.name
    own = f"its rows are the table {table}, with SQLite's rowid as {carrier.plan.columns[0].name}, and"
    place = f"the table {table} is" if virtual.content_table else own
    query = f"{name} @@ websearch_to_tsquery('{language.configuration}', …)"
    clauses = (
        f"{place} searched by the generated column {name} over {_weighted(searched)}",
        f"its words are those of PostgreSQL's configuration {language.configuration}",
        f"write MATCH as {query}, bm25() as ts_rank(), snippet() and highlight() as ts_headline()",
        "it follows each change of the row by itself",
        *((language.doubt,) if language.doubt else ()),
        *_marks(virtual),
        f"only the first {SEARCHED_CHARACTERS // len(searched):,} characters of a column are searched",
        *left_out,
    )
    return "; ".join(clauses)


def _weighted(searched: Sequence[TargetColumn]) -> str:
    if len(searched) == 1 or len(searched) > len(_WEIGHTS):
        return ", ".join(column.name for column in searched)
    return ", ".join(f"{column.name} ({weight})" for column, weight in zip(searched, _WEIGHTS, strict=False))


def _marks(virtual: VirtualTable) -> tuple[str, ...]:
    """Say where SQLite takes the marks off letters: unicode61 does unless it is told not to."""
    words = fold(virtual.tokenizer).replace("=", " ").split()
    strips = "unicode61" in words or (virtual.module is VirtualModule.FTS5 and words == ["porter"])
    if "remove_diacritics" in words:
        strips = words[words.index("remove_diacritics") + 1 :][:1] != ["0"]
    return ("SQLite finds é by e, PostgreSQL by é alone (the extension unaccent helps)",) if strips else ()
