"""Making and upgrading the ledger's schema with Alembic, one process at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa

from shared.errors import OperatorError
from shared.ledger.tables import SCHEMA

_UPGRADE_LOCK: Final = 0x70676375
"""Advisory lock of an upgrade ('pgcu' in ASCII)."""
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_VERSION_TABLE: Final = f"{SCHEMA}.alembic_version"


def upgrade_ledger(connection: sa.Connection) -> None:
    """Bring the ledger to the newest version inside the caller's transaction, under an advisory lock.

    Raises:
        OperatorError: where the ledger was made by a newer pgconvoy.
    """
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
    if _version(connection) == _newest():
        return
    _refuse_newer(connection)
    _upgrade(connection)


def check_ledger(connection: sa.Connection) -> None:
    """Refuse to work with a ledger of another version.

    Raises:
        OperatorError: names both versions and what to do.
    """
    version = _version(connection)
    if version == _newest():
        return
    _refuse_newer(connection)
    finding = "there is no ledger in the target yet" if version is None else f"the ledger is at version {version}"
    msg = f"{finding}, this pgconvoy needs {_newest()}: `producer start` makes and upgrades it"
    raise OperatorError(msg)


def ledger_exists(connection: sa.Connection) -> bool:
    """Whether the target holds a ledger at all."""
    return _version(connection) is not None


def _upgrade(connection: sa.Connection) -> None:
    # Imported here: a tenth of a second that every other command of every job can do without.
    from alembic import command  # noqa: PLC0415 - a tenth of a second, and seldom needed
    from alembic.config import Config  # noqa: PLC0415 - the same

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _refuse_newer(connection: sa.Connection) -> None:
    version = _version(connection)
    if version is not None and version not in _versions():
        msg = f"the ledger is at version {version}, made by a newer pgconvoy than this one: upgrade this installation"
        raise OperatorError(msg)


def _version(connection: sa.Connection) -> str | None:
    if connection.execute(sa.select(sa.func.to_regclass(_VERSION_TABLE))).scalar_one() is None:
        return None
    return connection.execute(sa.text(f"SELECT version_num FROM {_VERSION_TABLE}")).scalar_one_or_none()


def _newest() -> str:
    return _versions()[-1]


def _versions() -> list[str]:
    """The versions that the files of the migrations are named after, oldest first."""
    return sorted(file.name.partition("_")[0] for file in (_MIGRATIONS / "versions").glob("[0-9]*.py"))
