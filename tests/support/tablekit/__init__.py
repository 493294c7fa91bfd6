"""Any table that SQLite can hold, and anything that an operator may ask for with it, made up by hypothesis."""

from tablekit.asked import Asked, asked_for
from tablekit.tables import MadeTable, any_tables, make

__all__ = ["Asked", "MadeTable", "any_tables", "asked_for", "make"]
