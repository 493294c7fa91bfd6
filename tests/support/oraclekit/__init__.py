"""The suite's own judgement of a copy: what each value must read back as, and whether both sides hold the same rows.

It is written from the documentation of SQLite and PostgreSQL and from what docs/fidelity.md promises, and shares no
code with the copier or the verification.
"""

from oraclekit.meaning import NO_PLACE, Handling, Text, meaning
from oraclekit.sides import problems_of

__all__ = ["NO_PLACE", "Handling", "Text", "meaning", "problems_of"]
