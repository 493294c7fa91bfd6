"""Judge one file after the other in a process of its own, whose death, hang or hunger for memory its parent notices."""

from __future__ import annotations

import argparse
import faulthandler
import resource
import shutil
import sys
import time
import traceback
from collections import Counter
from itertools import count
from pathlib import Path

from fuzzkit.judging import Verdict, judge
from fuzzkit.wounds import damaged_file

_MOST_MEMORY = 6 * 1024**3
"""Address space, not what is in use: a limit that only runaway memory meets."""
_LONGEST_S = 100
"""No file of the fuzz needs more than a few seconds; the machine may be busy."""


def main() -> int:
    """Judge files until their number or the time is up; prints what came of them, and each that must not be."""
    asked = _arguments()
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    ends = time.monotonic() + asked.minutes * 60 if asked.minutes else None
    tally: Counter[str] = Counter()
    wrong = 0
    for number in count():
        seed = asked.seed + number
        if (time.monotonic() >= ends) if ends else number >= asked.files:
            break
        (asked.folder / "seed").write_text(str(seed))
        verdict = _judged(asked.folder, seed, asked.url)
        tally[verdict.outcome] += 1
        if asked.verbose or verdict.problems:
            sys.stdout.write(f"seed {seed}: {verdict.outcome}: {verdict.said[:300]}\n")
        for problem in verdict.problems:
            wrong += 1
            sys.stdout.write(f"seed {seed} MUST NOT BE: {problem[:3000]}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{tally.total()} files from seed {asked.seed} on: {dict(tally)}; {wrong} problems\n")
    return 1 if wrong or not tally["completed"] else 0  # some are always sound enough


def _judged(folder: Path, seed: int, url: str) -> Verdict:
    room = folder / "room"
    room.mkdir()
    faulthandler.dump_traceback_later(_LONGEST_S, exit=True)
    try:
        path = damaged_file(room, seed)
        salvage = seed % 11 == 0
        return judge(path, url, salvage=salvage, snapshot=salvage or seed % 5 != 0)
    except Exception:  # noqa: BLE001 - whatever it is, it must not be
        return Verdict(outcome="raised", problems=(traceback.format_exc(),))
    finally:
        faulthandler.cancel_dump_traceback_later()
        shutil.rmtree(room)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fuzzkit", description=__doc__)
    parser.add_argument("--url", required=True, help="a database of PostgreSQL to empty again and again")
    parser.add_argument("--folder", required=True, type=Path, help="where files are made")
    parser.add_argument("--seed", type=int, default=0, help="the first file's number")
    parser.add_argument("--files", type=int, default=100, help="how many")
    parser.add_argument("--minutes", type=float, help="for so long instead")
    parser.add_argument("--verbose", action="store_true", help="tell of every file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
