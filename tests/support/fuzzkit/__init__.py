"""Damaged and crafted SQLite files by the thousand, each wholly given by a number, and what pgconvoy may do with them.

A file may be refused with a sentence, or copied; what is said to be verified must hold what SQLite reads from it. What
must never be: an error of Python's own, a crash, a hang, memory without end, a wrong "verified".
"""

from fuzzkit.judging import Verdict, judge
from fuzzkit.wounds import damaged_file

__all__ = ["Verdict", "damaged_file", "judge"]
