"""What full-text search tables were made with: FTS3, FTS4 and FTS5, each by its own rules.

https://sqlite.org/fts3.html, section 6, and https://sqlite.org/fts5.html, section 4.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from shared.source.sqlite_tokens import unquoted

ColumnsOf = Callable[[str], Sequence[str]]
"""The columns of a table or view of the source by its name; none where it is not there."""

_TOKENIZE: Final = re.compile(r"tokenize(?![A-Za-z0-9_\x80-\U0010ffff])", re.IGNORECASE)
_FTS4_OPTIONS: Final = (
    "matchinfo", "prefix", "compress", "uncompress", "order", "content", "languageid", "notindexed",
)  # fmt: skip
_FTS3_WORD: Final = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[A-Za-z0-9_\x80-\U0010ffff]+"""
)
"""What FTS3 takes for a word of an argument (sqlite3Fts3NextToken)."""
_FTS5_OPTIONS: Final = (
    "prefix", "tokenize", "content", "contentless_delete", "contentless_unindexed", "content_rowid", "columnsize",
    "locale", "detail", "tokendata",
)  # fmt: skip
"""In the order in which FTS5 looks for them: an abbreviation means the first that begins so."""
_FTS5_WORD: Final = re.compile(
    r"""\s*('(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[A-Za-z0-9_\x1a\x80-\U0010ffff]+)"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchDeclaration:
    """What a full-text search table was made with."""

    columns: tuple[str, ...]
    """All of them, in order."""
    unindexed: tuple[str, ...] = ()
    content: str | None = None
    """None: it keeps its texts itself; empty: they are nowhere; else the table that holds them."""
    content_rowid: str | None = None
    tokenizer: str = ""
    language_column: str | None = None
    compressed: bool = False
    keeps_unindexed: bool = False
    """FTS5 with ``contentless_unindexed=1``: of a contentless table these columns are kept."""
    locales: bool = False
    """FTS5 with ``locale=1``: beside each searched value its locale may be kept."""

    @property
    def keeps_rows(self) -> bool:
        """Whether it has a content table of its own among its shadow tables."""
        return self.content is None or (self.content == "" and self.keeps_unindexed)


def read_fts3(arguments: Sequence[str], columns_of: ColumnsOf, *, is_fts4: bool) -> SearchDeclaration:
    """Read the arguments of FTS3 or FTS4. FTS4 without columns has those of the table that ``content=`` names."""
    options: dict[str, list[str]] = {}
    names: list[str] = []
    tokenizer = ""
    for argument in arguments:
        if not tokenizer and len(argument) > len("tokenize") and _TOKENIZE.match(argument):
            tokenizer = " ".join(unquoted(word) for word in _FTS3_WORD.findall(argument[len("tokenize") + 1 :]))
        elif is_fts4 and (option := _fts4_option(argument)):
            options.setdefault(option[0], []).append(option[1])
        else:
            names.append(_fts3_name(argument))
    content = options["content"][-1] if "content" in options else None
    language = options["languageid"][-1] if "languageid" in options else None
    if content and not names:
        names = [name for name in columns_of(content) if _differ(name, language)]
    names = names or ["content"]
    unsearched = [name.lower() for name in options.get("notindexed", [])]
    return SearchDeclaration(
        columns=tuple(names),
        unindexed=tuple(name for name in names if name.lower() in unsearched),
        content=content,
        tokenizer=tokenizer or "simple",
        language_column=language,
        compressed=content is None and "compress" in options,
    )


def _differ(name: str, other: str | None) -> bool:
    return other is None or name.lower() != other.lower()


def _fts4_option(argument: str) -> tuple[str, str] | None:
    key, equals, value = argument.partition("=")
    return (key.lower(), unquoted(value)) if equals and key.lower() in _FTS4_OPTIONS else None


def _fts3_name(argument: str) -> str:
    """A column's name is the first word; types and constraints after it mean nothing."""
    word = _FTS3_WORD.search(argument)
    return unquoted(word[0]) if word else ""


def read_fts5(arguments: Sequence[str]) -> SearchDeclaration:
    """Read the arguments of FTS5."""
    options = dict(_fts5_options(arguments))
    names: list[str] = []
    unindexed: list[str] = []
    for words in (_fts5_words(argument) for argument in arguments if _fts5_option(argument) is None):
        names.extend(words[:1])
        if [word.upper() for word in words[1:]] == ["UNINDEXED"]:
            unindexed.append(words[0])
    content = options.get("content")
    return SearchDeclaration(
        columns=tuple(names),
        unindexed=tuple(unindexed),
        content=content,
        content_rowid=options.get("content_rowid", "rowid") if content else None,
        tokenizer=options.get("tokenize", "unicode61"),
        keeps_unindexed=_is_set(options, "contentless_unindexed"),
        locales=_is_set(options, "locale"),
    )


def _is_set(options: dict[str, str], name: str) -> bool:
    return options.get(name, "0") != "0"


def _fts5_options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    for argument in arguments:
        option = _fts5_option(argument)
        if option is not None:
            yield option


def _fts5_option(argument: str) -> tuple[str, str] | None:
    """Read ``key = value``; None for a column, whose name may be quoted and hold an equals sign."""
    key = _FTS5_WORD.match(argument)
    rest = argument[key.end() :].lstrip() if key else ""
    if key is None or not rest.startswith("="):
        return None
    name = next((option for option in _FTS5_OPTIONS if option.startswith(key[1].lower())), key[1].lower())
    value = _FTS5_WORD.match(rest[1:])
    return name, unquoted(value[1]) if value else ""


def _fts5_words(argument: str) -> list[str]:
    return [unquoted(word) for word in _FTS5_WORD.findall(argument)]
