"""The table of functions, which calls are translated by and the docs' matrix is made from."""

from __future__ import annotations

from shared.records.plan import Grade
from shared.schema.dialect.aggregates import AGGREGATES
from shared.schema.dialect.calls import find_function
from shared.schema.dialect.function_table import ALL_FUNCTIONS
from shared.schema.dialect.windows import FUNCTIONS as WINDOW_FUNCTIONS


def test_every_function_has_its_translation_or_its_reason() -> None:
    """A function is built, or aggregates, or is a window's; a refused one says why."""
    for function in ALL_FUNCTIONS:
        built = function.build is not None or function.aggregate or function in WINDOW_FUNCTIONS
        assert built == (function.grade is not Grade.REFUSED), function.name
        assert built or function.note, function.name


def test_aggregates_and_the_table_agree() -> None:
    """What aggregates is in the table, and the other way round."""
    assert {each.name for each in ALL_FUNCTIONS if each.aggregate} == set(AGGREGATES)


def test_arguments_tell_functions_of_one_name_apart() -> None:
    """Min of one argument aggregates, of two it takes the least; other names stand once for each number of them."""
    assert [(find_function("MIN", count) or ALL_FUNCTIONS[0]).aggregate for count in (1, 2)] == [True, False]
    assert find_function("round", 3) is None
    for function in ALL_FUNCTIONS:
        same = [each for each in ALL_FUNCTIONS if each.name == function.name and each.takes(function.least)]
        assert same == [function]


def test_arity_is_readable() -> None:
    """The docs say how many arguments a function takes."""
    shown = {each.name: each.arity for each in ALL_FUNCTIONS}
    assert (shown["instr"], shown["substr"], shown["coalesce"]) == ("2", "2 to 3", "2 or more")
