"""How --tables and --exclude are read."""

from __future__ import annotations

import pytest

from producer.arguments import names_of, refuse_together, tables_of
from shared.errors import OperatorError


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (None, ()),
        (["all"], ()),
        (["a,b"], ("a", "b")),
        (["a, b", "c"], ("a", "b", "c")),
        (['"a,b",c'], ("a,b", "c")),
        (["order details"], ("order details",)),
        (["a,,b,"], ("a", "b")),
        (['"a ""b"", c", d'], ('a "b", c', "d")),
        (['5" pipes,b'], ('5" pipes', "b")),
        (['" a ",b '], (" a ", "b")),
        (['"all"'], ("all",)),
        (["a\nb"], ("a\nb",)),
    ],
)
def test_tables_are_names_with_commas_between_them(given: list[str] | None, names: tuple[str, ...]) -> None:
    """Spaces belong to a name, commas only in double quotes; `all` means every table."""
    assert tables_of(given) == names


def test_all_is_a_name_like_any_other_beside_names() -> None:
    """Only `all` alone means every table; --exclude has no such word."""
    assert tables_of(["all,b"]) == ("all", "b")
    assert names_of(["all"]) == ("all",)


@pytest.mark.parametrize("given", ['"a', 'b,"a', '"a"b', '"a""'])
def test_a_quote_that_is_not_closed_is_refused(given: str) -> None:
    """It would swallow the names after it."""
    with pytest.raises(OperatorError, match="ends with one"):
        tables_of([given])


@pytest.mark.parametrize("given", ["", " ", ","])
def test_no_name_is_not_every_table(given: str) -> None:
    """An unset variable in a script copies nothing by accident; nothing to exclude is no mistake."""
    with pytest.raises(OperatorError, match="--tables all"):
        tables_of([given])
    assert names_of([given]) == ()


def test_options_that_exclude_each_other_are_named() -> None:
    """The message names both."""
    with pytest.raises(OperatorError, match="--sql and --json"):
        refuse_together("--sql", "--json", both=True)
    refuse_together("--sql", "--json", both=False)
