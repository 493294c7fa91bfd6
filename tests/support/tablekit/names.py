"""Identifiers that SQLite takes in double quotes."""

from __future__ import annotations

from hypothesis import strategies as st

_SIMPLE = st.sampled_from(["a", "b", "id", "name", "Value", "created_at", "user_id", "price", "x1", "data"])
_TELLING = st.sampled_from(
    ["", " ", "select", "user", "order", "TABLE", "rowid", "oid", "_rowid_", "ctid", "xmin", "tableoid", "search",
     "id ", 'say "it"', "it's", "a;b", "100%", "%s", "a\nb", "\t", "\x01", "\x7f", "\x85", "\u200b", "1st", "a.b",
     "a$b", "a-b", "[x]", "a*b", "a?b", "`tick`", "\\n", "{0}", ":name", "NULL", "null", "Ünï", "ünï", "名前", "😀",
     "ı", "İ", "ﬀ", "\u0301",
     "n" * 63, "n" * 64, "N" * 200, "ü" * 40, "a" * 62 + "ü", "__pk", "pgconvoy", "pg_class"]
)  # fmt: skip
_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
NAMES = _SIMPLE | _TELLING | st.text(_CHARACTERS, max_size=6) | st.text(_CHARACTERS, min_size=20, max_size=70)
TABLE_NAMES = NAMES.filter(lambda name: not name.lower().startswith("sqlite_"))


def folded(name: str) -> str:
    """A name as SQLite compares it: A to Z fold, nothing else does."""
    return "".join(character.lower() if character.isascii() else character for character in name)


def quoted(name: str) -> str:
    """A name in SQLite's double quotes."""
    return '"' + name.replace('"', '""') + '"'


def escaped(name: str) -> str:
    """A name as a rule of pgconvoy.toml names exactly this one."""
    if not any(character in "*?[" for character in name):
        return name
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)
