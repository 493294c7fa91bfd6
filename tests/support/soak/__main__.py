"""Jobs under a random storm of faults, for as long as one likes: ``make soak MINUTES=30 SEED=7``."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from soak.soaking import Soak


def main() -> int:
    """Run a soak; 0: everything held, 1: something did not, and the folder is kept."""
    options = _options()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="pgconvoy-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    soak = Soak(folder, seed=options.seed, minutes=options.minutes, recovery_s=options.recovery_s)
    held = soak.run()
    if held and options.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if held else 1


def _options() -> argparse.Namespace:
    given = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    given.add_argument(
        "--minutes", type=float, default=30, help="how long faults come; the last job then ends in peace"
    )
    given.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="default: any")
    given.add_argument("--recovery-s", type=float, default=10, help="until a killed worker's chunk is sent again")
    given.add_argument("--folder", type=Path, help="kept; default: a temporary one, kept where something is wrong")
    return given.parse_args()


if __name__ == "__main__":
    sys.exit(main())
