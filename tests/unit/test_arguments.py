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
    ],
)
def test_tables_are_names_with_commas_between_them(given: list[str] | None, names: tuple[str, ...]) -> None:
    """Spaces belong to a name, commas only in double quotes; `all` means every table."""
    assert tables_of(given) == names


def test_all_is_a_name_like_any_other_beside_names() -> None:
    """Only `all` alone means every table; --exclude has no such word."""
    assert tables_of(["all,b"]) == ("all", "b")
    assert names_of(["all"]) == ("all",)


def test_options_that_exclude_each_other_are_named() -> None:
    """The message names both."""
    with pytest.raises(OperatorError, match="--sql and --json"):
        refuse_together("--sql", "--json", both=True)
    refuse_together("--sql", "--json", both=False)
