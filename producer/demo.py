"""The demo: a made-up shop to copy, and what to look at afterwards."""

from __future__ import annotations

from producer.demo_shop import ShopSummary, write_shop
from producer.local_postgres import connect_hint, stop_hint
from producer.print_end import GOES_ON
from shared.settings import Settings

_MIB = 1024 * 1024
_QUESTION = "SELECT * FROM reviews ORDER BY written_at DESC LIMIT 5"


def write_demo_source(settings: Settings) -> ShopSummary:
    """Write the shop to ``<home>/demo/shop.sqlite``, anew each time: two seconds, the same rows.

    Raises:
        OSError: where the home cannot be written to.
    """
    folder = settings.home.expanduser().resolve() / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    return write_shop(folder / "shop.sqlite")


def opening_words(shop: ShopSummary) -> str:
    """Say what will be copied, in one line."""
    return (
        f"A made-up shop: {shop.rows:,} rows in {len(shop.tables)} tables, {shop.size_bytes / _MIB:.0f} MiB,"
        f" written to {shop.path}"
    )


def closing_words(settings: Settings, target_url: str, schema: str, *, embedded: bool) -> tuple[str, ...]:
    """Say how to look at the rows and how to stop what still runs.

    Args:
        settings: those of the demo's job.
        target_url: the target's URL without its password.
        schema: where the rows are in it.
        embedded: whether the target is the embedded server, which goes on running.
    """
    connect = connect_hint(target_url, schema)
    lines = ("Look at the rows:", f"  {connect}", f'  {connect} -c "{_QUESTION}"')
    if not embedded:
        return lines
    return (*lines, GOES_ON, f"  {stop_hint(settings)}")
