"""Names in the target."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.schema.names import MAX_NAME_BYTES, SYSTEM_COLUMNS, Names, fold


def test_folding_is_that_of_postgresql() -> None:
    """A to Z become lower-case and nothing else does, as PostgreSQL folds in a UTF-8 database."""
    assert fold("ÄlbumID") == "Älbumid"


def test_preserve_keeps_names() -> None:
    """Preserved names stay as they are, and two that differ in case are two names."""
    names = Names(preserve=True)
    assert [names.give(name).name for name in ("Album", "album")] == ["Album", "album"]


def test_a_folded_name_needs_no_explanation() -> None:
    """Folding alone is not reported."""
    assert Names().give("Album").reason == ""


def test_collision_gets_a_number() -> None:
    """The second of two equal names gets a number, and a reason."""
    names = Names()
    names.give("a")
    second = names.give("A")
    assert (second.name, second.reason) == ("a_2", "the name is taken")


def test_collision_with_a_numbered_name() -> None:
    """A number that is taken as well is passed over."""
    names = Names(taken=("a", "a_2"))
    assert names.give("a").name == "a_3"


def test_long_name_is_cut_at_a_character() -> None:
    """63 bytes are kept whole, 64 are cut between characters, with a hash that tells equal beginnings apart."""
    names = Names()
    assert names.give("x" * 63).name == "x" * 63
    one, other = names.give("ü" * 40), names.give("ü" * 41)
    assert len(one.name.encode()) <= MAX_NAME_BYTES
    assert one.name != other.name
    assert "63 bytes" in one.reason


@pytest.mark.parametrize("name", sorted(SYSTEM_COLUMNS))
def test_system_columns_are_renamed(name: str) -> None:
    """A column cannot be named as one that PostgreSQL has in every table."""
    given = Names(reserved=SYSTEM_COLUMNS).give(name.upper())
    assert given.name == f"{name}_2"
    assert "PostgreSQL keeps the name" in given.reason


@pytest.mark.parametrize(("name", "expected"), [("", "unnamed"), ("a\nb", "a_b"), ("a\0b", "a_b"), ("\ud800", "_")])
def test_impossible_names(name: str, expected: str) -> None:
    """Empty names and characters that no name can hold are replaced, and reported."""
    given = Names().give(name)
    assert given.name == expected
    assert "cannot be empty" in given.reason


@given(st.lists(st.text(max_size=80), max_size=30), st.booleans())
def test_every_name_is_possible_and_unique(wanted: list[str], preserve: bool) -> None:  # noqa: FBT001 - drawn
    """Whatever names are wanted, the given ones are unique, not empty and within PostgreSQL's limit."""
    names = Names(preserve=preserve, reserved=SYSTEM_COLUMNS)
    given = [names.give(name).name for name in wanted]
    assert len(set(given)) == len(given)
    assert all(0 < len(name.encode()) <= MAX_NAME_BYTES and "\0" not in name for name in given)
    assert not SYSTEM_COLUMNS & set(given)
