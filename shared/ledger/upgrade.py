"""Making and upgrading the ledger's schema with Alembic, one process at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from shared.errors import OperatorError
from shared.ledger.tables import SCHEMA

_UPGRADE_LOCK: Final = 0x70676375
"""Advisory lock of an upgrade ('pgcu' in ASCII)."""
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


def upgrade_ledger(connection: sa.Connection) -> None:
    """Bring the ledger to the newest version inside the caller's transaction, under an advisory lock.

    Raises:
        OperatorError: where the ledger was made by a newer pgconvoy.
    """
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
    if _version(connection) == _newest():
        return
    _refuse_newer(connection)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


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


def _refuse_newer(connection: sa.Connection) -> None:
    version = _version(connection)
    known = {revision.revision for revision in ScriptDirectory.from_config(_config()).walk_revisions()}
    if version is not None and version not in known:
        msg = f"the ledger is at version {version}, made by a newer pgconvoy than this one: upgrade this installation"
        raise OperatorError(msg)


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version", schema=SCHEMA):
        return None
    return MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA}).get_current_revision()


def _newest() -> str:
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
