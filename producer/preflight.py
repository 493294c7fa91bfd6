"""What must hold before anything is made: the source opens, the target takes our tables, the broker answers."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from producer.services import Target
from producer.wording import counted
from shared.errors import OperatorError, TransientError, UnreachableError
from shared.ledger.tables import SCHEMA as LEDGER_SCHEMA
from shared.records.plan import JobOptions
from shared.settings import Settings, shown
from shared.source.kinds import is_readable_in_place, open_source

OLDEST_POSTGRESQL: Final = 14
"""The oldest major version that PostgreSQL's project still mends, and that has `client_connection_check_interval`."""
_FACTS: Final = """
    SELECT current_setting('server_version_num')::integer / 10000 AS version,
           pg_is_in_recovery() AS standby,
           current_setting('default_transaction_read_only')::boolean AS read_only,
           current_setting('server_encoding') AS encoding,
           current_user::text AS role, current_database()::text AS database,
           has_database_privilege(current_database(), 'CREATE') AS may_make_schemas,
           has_database_privilege(current_database(), 'TEMPORARY') AS may_stage
"""
_SCHEMA_FACTS: Final = """
    SELECT has_schema_privilege(oid, 'USAGE') AND (:fills OR has_schema_privilege(oid, 'CREATE')) FROM pg_namespace
     WHERE nspname = :name
"""


def required_source(settings: Settings) -> str:
    """The source's URL; never print it unredacted.

    Raises:
        OperatorError: where none is set.
    """
    if settings.source_url is None:
        msg = "no source is set: name one with --source, or set PGCONVOY_SOURCE_URL in the environment or in .env"
        raise OperatorError(msg)
    return settings.source_url.get_secret_value()


def check_source(settings: Settings) -> str:
    """Open the source and read its schema once.

    Returns:
        What was found, for people.

    Raises:
        SourceError: a sentence that says what is wrong with it.
    """
    if not is_readable_in_place(required_source(settings)):
        return f"{shown(settings.source_url)} has changes in its -wal or -journal: it is read through a snapshot alone"
    with open_source(required_source(settings), frozen=False) as reader:
        tables = len(reader.catalog().tables)
    return f"{shown(settings.source_url)} opens: {counted(tables, 'table')}"


def check_target(target: Target, options: JobOptions | None = None) -> str:
    """Connect to the target and make sure that the job's tables and the ledger can be made there.

    Args:
        target: Where to.
        options: The job's; None: what any job may need.

    Returns:
        What was found, for people.

    Raises:
        UnreachableError: where it does not answer or refuses the login.
        OperatorError: where it is too old, a standby, closed to writers, or the role lacks a right.
    """
    try:
        with target.ledger(f"looking at the target {target.shown}") as ledger:
            facts = ledger.connection.execute(sa.text(_FACTS)).one()
            _refuse_unfit(target, facts)
            _refuse_without_database_rights(target, facts, options or JobOptions())
            for schema in (target.settings.target_schema, LEDGER_SCHEMA):
                # --data-only makes nothing there.
                fills = options is not None and options.data_only and schema != LEDGER_SCHEMA
                asked = {"name": schema, "fills": fills}
                allowed = ledger.connection.execute(sa.text(_SCHEMA_FACTS), asked).scalar()
                _refuse_without_right(target, facts, schema, allowed)
    except TransientError as error:
        msg = f"the target cannot be used just now: {error}; try again in a moment"
        raise UnreachableError(msg) from error
    encoding = "" if facts.encoding == "UTF8" else f", encoding {facts.encoding}: some texts may not fit"
    return f"{target.shown} answers: PostgreSQL {facts.version}, role {facts.role} may make tables{encoding}"


def _refuse_unfit(target: Target, facts: sa.Row[tuple[object, ...]]) -> None:
    if facts.version < OLDEST_POSTGRESQL:
        msg = (
            f"the target {target.shown} is PostgreSQL {facts.version}; pgconvoy needs {OLDEST_POSTGRESQL} or newer:"
            " upgrade the server, or name another target"
        )
        raise OperatorError(msg)
    if facts.standby:
        msg = f"the target {target.shown} is a standby that takes no writes: name its primary"
        raise OperatorError(msg)
    if facts.read_only:
        msg = (
            f"the target {target.shown} takes no writes of the role {facts.role}: default_transaction_read_only is on,"
            " set it to off for the role, the database or the server"
        )
        raise OperatorError(msg)


def _refuse_without_database_rights(target: Target, facts: sa.Row[tuple[object, ...]], options: JobOptions) -> None:
    if not facts.may_stage:
        msg = (
            f"the role {facts.role} may not make temporary tables in the target {target.shown}, in which rows wait for"
            f' those that are there already: GRANT TEMPORARY ON DATABASE "{facts.database}" TO "{facts.role}"'
        )
        raise OperatorError(msg)
    if options.recreate and not facts.may_make_schemas:
        msg = (
            f"the role {facts.role} may not make the schema in which --recreate lets new tables wait in the target"
            f' {target.shown}: GRANT CREATE ON DATABASE "{facts.database}" TO "{facts.role}"'
        )
        raise OperatorError(msg)


def _refuse_without_right(
    target: Target, facts: sa.Row[tuple[object, ...]], schema: str, allowed: object | None
) -> None:
    if allowed is None and not facts.may_make_schemas:
        msg = (
            f"the role {facts.role} may not make the schema {schema} in the target {target.shown}:"
            f' GRANT CREATE ON DATABASE "{facts.database}" TO "{facts.role}"'
        )
        raise OperatorError(msg)
    if allowed is False:
        msg = (
            f"the role {facts.role} may not make tables in the schema {schema} of the target {target.shown}:"
            f' GRANT USAGE, CREATE ON SCHEMA "{schema}" TO "{facts.role}"'
        )
        raise OperatorError(msg)


def refuse_lonely_broker(settings: Settings) -> None:
    """Refuse a broker of the operator's without a target: its workers could not know an embedded server.

    Raises:
        OperatorError: says what to set.
    """
    if settings.broker_url is not None and settings.target_url is None:
        msg = (
            f"a broker is set ({shown(settings.broker_url)}) but no target, and its workers cannot know an embedded"
            " server: set PGCONVOY_TARGET_URL (or --target) here and for the workers"
        )
        raise OperatorError(msg)
