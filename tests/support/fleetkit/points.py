"""Arming, awaiting and clearing the named points of `shared.points` from a test."""

from __future__ import annotations

from pathlib import Path

from fleetkit.processes import await_true
from shared.points import POINTS_DIR_VARIABLE, Point


class Points:
    """The armed points of one test; workers see them through `environment`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def environment(self) -> dict[str, str]:
        """What a worker's environment needs so that it looks at these points."""
        return {POINTS_DIR_VARIABLE: str(self.folder)}

    def stop_at(self, point: Point, number: int | None = None) -> None:
        """Arm a point: whoever reaches it (with chunk or table `number`; None: any) waits there."""
        self._file(point, number).write_text("stop")

    def fail_at(self, point: Point, number: int | None = None) -> None:
        """Arm a point: whoever reaches it raises."""
        self._file(point, number).write_text("fail")

    def kill_at(self, point: Point, number: int | None = None, *, signal: str = "SIGKILL") -> None:
        """Arm a point: whoever reaches it ends itself by a signal, each time."""
        self._file(point, number).write_text(signal)

    def reached(self, point: Point, number: int | None = None) -> bool:
        """Whether a process stands at the point."""
        return self._reached(point, number).exists()

    def await_reached(self, point: Point, number: int | None = None, *, seconds: float = 60) -> int:
        """Wait until a process stands at the point; return its process id."""
        reached = self._reached(point, number)
        what = f"a worker at the point {reached.stem}"
        return int(await_true(lambda: reached.exists() and reached.read_text(), what, seconds=seconds))

    def clear(self, point: Point, number: int | None = None) -> None:
        """Disarm a point: who waits there goes on; forget who reached it."""
        self._file(point, number).unlink(missing_ok=True)
        self._reached(point, number).unlink(missing_ok=True)

    def clear_all(self) -> None:
        """Disarm every point."""
        for file in self.folder.iterdir():
            file.unlink(missing_ok=True)

    def _file(self, point: Point, number: int | None) -> Path:
        return self.folder / (point if number is None else f"{point}.{number}")

    def _reached(self, point: Point, number: int | None) -> Path:
        armed = self._file(point, number)
        return armed.with_name(armed.name + ".reached")
