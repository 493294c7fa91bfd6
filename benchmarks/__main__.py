"""pgconvoy against its limits and against other programs: same machine, same server, same files, in one run.

    make bench                                 the small set, results into docs/performance.md
    python -m benchmarks --full --docs         everything at full size
    python -m benchmarks --only events,dirty   some works
    python -m benchmarks --share 0.05 --rounds 1   all of it, small: does it work?

Times differ between machines, ratios hardly do; on a busy machine none of them means anything.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shlex
import sys
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import page, plot
from benchmarks.bench import FULL, SMALL, Bench, Sizes
from benchmarks.convoy import Convoy
from benchmarks.figures import Section
from benchmarks.machine import machine, versions
from benchmarks.server import Server
from benchmarks.works import WORKS

_HERE = Path(__file__).parent
_DOCS = _HERE.parent / "docs"
_FULL_ROUNDS, _SMALL_ROUNDS = 3, 2


def main() -> int:
    """Run the works; 0: every limit was kept, 1: not all, or a work failed."""
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    with Server(options.work / "home") as server:
        bench = Bench(
            server=server,
            convoy=Convoy(server=server, folder=options.work, workers=options.workers),
            folder=options.work,
            sizes=_sizes(options),
            rounds=options.rounds,
        )
        print(f"{machine()}\n{versions(server)}\n{bench.sizes}", flush=True)
        sections = [section for name in options.only if (section := _measure(name, bench, options)) is not None]
    print("\n" + "\n".join(page.plain(section) for section in sections))
    complete = len(sections) == len(options.only)
    kept = all(figure.reached is not False for section in sections for figure in section.figures)
    return 0 if complete and kept else 1


def _options() -> argparse.Namespace:
    given = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    given.add_argument("--full", action="store_true", help="every work at its full size")
    given.add_argument("--only", type=_names, default=list(WORKS), help=f"names with commas: {', '.join(WORKS)}")
    given.add_argument("--rounds", type=int, help=f"default: {_SMALL_ROUNDS}, with --full {_FULL_ROUNDS}")
    given.add_argument("--workers", type=int, default=2, help="worker processes, and streams of bare COPY")
    given.add_argument("--share", type=float, default=1.0, help="all sizes times this")
    given.add_argument("--rows", type=int, help="rows of the events")
    given.add_argument("--work", type=Path, default=_HERE / "work", help="where sources and the server's data go")
    given.add_argument("--docs", action="store_true", help="write the results into docs/performance.md")
    options = given.parse_args()
    options.work = options.work.resolve()
    options.rounds = options.rounds or (_FULL_ROUNDS if options.full else _SMALL_ROUNDS)
    return options


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in WORKS]
    if unknown:
        msg = f"{', '.join(unknown)}: there is {', '.join(WORKS)}"
        raise argparse.ArgumentTypeError(msg)
    return [name for name in WORKS if name in names]


def _sizes(options: argparse.Namespace) -> Sizes:
    sizes = (FULL if options.full else SMALL).times(options.share)
    return dataclasses.replace(sizes, events=options.rows) if options.rows else sizes


def _measure(name: str, bench: Bench, options: argparse.Namespace) -> Section | None:
    """Run one work and keep what it found at once; where it fails, say so and let the others go on."""
    begin = time.perf_counter()
    try:
        section = WORKS[name](bench)
    except Exception:  # noqa: BLE001 - the other works are worth having
        traceback.print_exc()
        print(f"{name}: failed", flush=True)
        return None
    section = dataclasses.replace(
        section,
        machine=machine(),
        versions=versions(bench.server),
        command=_command(),
        date=f"{datetime.now(UTC):%Y-%m-%d}",
    )
    print(f"{name}: done after {time.perf_counter() - begin:.0f} s", flush=True)
    _keep([section], options.work, options.work / "results.json")
    if options.docs:
        block = _keep([section], _DOCS, _DOCS / "performance.json")
        page.write_block(_DOCS / "performance.md", block)
    return section


def _keep(sections: Sequence[Section], folder: Path, path: Path) -> str:
    """Write the results and the picture, those of earlier works included; returns them as Markdown."""
    everything = page.merged(page.read_sections(path), sections, list(WORKS))
    page.write_sections(path, everything)
    if plot.available():
        plot.draw(everything, folder / "performance.png")
    else:
        print("matplotlib is not installed (pip install 'pgconvoy[bench]'): no picture")
    return page.markdown(everything, "performance.png" if plot.available() else None)


def _command() -> str:
    program = "python" if Path(sys.executable).name.startswith("python") else os.fspath(sys.executable)
    return shlex.join([program, "-m", "benchmarks", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
