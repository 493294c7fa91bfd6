"""What statements say of indexes and constraints beyond SQLite's catalogue."""

from __future__ import annotations

import pytest

from shared.schema.written import WrittenIndex, WrittenNames, read_index, read_names


@pytest.mark.parametrize(
    ("sql", "terms", "where"),
    [
        ("CREATE INDEX i ON t(a)", ("a",), None),
        (
            "CREATE UNIQUE INDEX \"i(\" ON 't,'([a b] COLLATE NOCASE DESC, lower(b, 'x)') ASC)",
            ("[a b]", "lower(b, 'x)')"),
            None,
        ),
        (
            "CREATE INDEX i ON t(a COLLATE nocase COLLATE binary, (b collate x)) WHERE a>1",
            ("a", "(b collate x)"),
            "a>1",
        ),
        ('CREATE INDEX i ON t(a /* , */, b -- )\n) WHERE "where" NOT NULL -- end', ("a", "b"), '"where" NOT NULL'),
        ("CREATE INDEX i ON t(CASE WHEN a THEN 1 END desc)", ("CASE WHEN a THEN 1 END",), None),
        ("CREATE INDEX i ON t(a->>'$.x', x'AB', \"desc\")", ("a->>'$.x'", "x'AB'", '"desc"'), None),
    ],
)
def test_indexes_are_taken_apart(sql: str, terms: tuple[str, ...], where: str | None) -> None:
    """Terms come without collation and direction, whatever is in names, texts and comments."""
    assert read_index(sql) == WrittenIndex(terms=terms, where=where)


@pytest.mark.parametrize("sql", ["", "CREATE INDEX i ON t", "CREATE INDEX i ON t(a", "CREATE INDEX i ON t('a)"])
def test_what_is_no_statement_has_no_parts(sql: str) -> None:
    """What cannot be taken apart is said to be so, not guessed."""
    assert read_index(sql) is None
    assert read_names(sql) == WrittenNames()


def test_names_of_constraints() -> None:
    """Each constraint takes the name before it, be there commas between them or not."""
    sql = """CREATE TABLE t(a INT CONSTRAINT nn NOT NULL CONSTRAINT 'x y' REFERENCES p(q),
        b REFERENCES z ON DELETE SET NULL, "C d" CONSTRAINT u1 UNIQUE CONSTRAINT pk PRIMARY KEY,
        d DEFAULT (1) CHECK (d > 1) CONSTRAINT dangling,
        CONSTRAINT [u k] UNIQUE (a COLLATE nocase, "B" DESC) CONSTRAINT fk FOREIGN KEY (a, b) REFERENCES p(x, y)
            NOT DEFERRABLE,
        UNIQUE (b), CONSTRAINT ck CHECK (a > 0), FOREIGN KEY (b) REFERENCES "q") WITHOUT ROWID"""
    names = read_names(sql)
    assert names.primary_key == "pk"
    assert dict(names.unique) == {("c d",): "u1", ("a", "b"): "u k"}
    assert names.foreign_keys == ("x y", None, "fk", None)


def test_columns_named_like_constraints() -> None:
    """A quoted word is a name."""
    names = read_names('CREATE TABLE t("unique" TEXT, [references] INT CONSTRAINT u UNIQUE, primary_id INT)')
    assert (dict(names.unique), names.foreign_keys, names.primary_key) == ({("references",): "u"}, (), None)
