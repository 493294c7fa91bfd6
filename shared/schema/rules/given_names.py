"""Names that rules give: ones that PostgreSQL takes as they are, and no two alike."""

from __future__ import annotations

from collections.abc import Mapping

from shared.errors import OperatorError
from shared.schema.names import SYSTEM_COLUMNS, Names, fold


def why_not_a_name(name: str, *, of_column: bool) -> str:
    """Say in a clause why PostgreSQL cannot take a name as it is; empty where it can."""
    return Names(preserve=True, reserved=SYSTEM_COLUMNS if of_column else ()).give(name).reason


def refuse_shared_names(what: str, given: Mapping[str, str | None], *, preserve: bool) -> None:
    """Refuse rules that give a name which something else has or gets.

    `given` are names of the source with what rules call them; None: no rule does, and the name is folded.

    Raises:
        OperatorError: names both.
    """
    plain = {fold(source, preserve=preserve): source for source, name in given.items() if name is None}
    taken: dict[str, str] = {}
    for source, name in given.items():
        if name is None:
            continue
        other = taken.get(name) or plain.get(name)
        if other is not None:
            msg = (
                f"rules of pgconvoy.toml name {what} {source!r} and {other!r} alike in the target: {name!r}; "
                "give one of them another name"
            )
            raise OperatorError(msg)
        taken[name] = source
