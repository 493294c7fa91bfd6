"""Cases as data: a folder with a source, what is asked for, and what must come of it."""

from casekit.case import Case, cases_in
from casekit.inline import InlineBroker, inline_workforce
from casekit.running import Result, Silent, run_case
from casekit.writing import as_json

__all__ = ["Case", "InlineBroker", "Result", "Silent", "as_json", "cases_in", "inline_workforce", "run_case"]
