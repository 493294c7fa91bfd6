"""Where a table's own code finds what it names without a schema, as it does in the application's sessions."""

from __future__ import annotations

from shared.quoting import quote, quote_text
from shared.records.plan import TablePlan


def application_path(plan: TablePlan) -> str:
    """Render the statement that lets triggers, CHECKs and domains of a table that was there before find their objects.

    Our sessions search pg_catalog alone; the application's search what its role or database says. It holds until the
    transaction ends.
    """
    schema = quote_text(f"{quote(plan.schema)}, ")
    return (
        f"SELECT pg_catalog.set_config('search_path', {schema} || reset_val, true)"
        " FROM pg_catalog.pg_settings WHERE name = 'search_path'"
    )
