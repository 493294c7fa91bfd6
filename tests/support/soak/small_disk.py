"""A disk for the target's tables that can be full: a tmpfs, whose size is changed as one likes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

_ROOMY: Final = "4g"
"""A bound: memory is taken only for what is written."""
_TRIES: Final = 20
"""Somebody writes while its room is looked at, and a disk does not get smaller than what it holds."""


class SmallDisk:
    """Mounted where that is allowed (root alone may); else everything here does nothing, and says so.

    Args:
        folder: Where it is mounted.
        owner: The account that writes there; None: this one.
    """

    def __init__(self, folder: Path, owner: str | None) -> None:
        self._folder = folder
        self._owner = owner
        self._mounted = False
        self.full = False
        """Whether there is no room now."""

    def open(self, name: str) -> Path | None:
        """A folder on it, made where it is not there; None where no disk could be mounted."""
        if not self._mounted and not self._mount():
            return None
        place = self._folder / name
        place.mkdir(mode=0o700, exist_ok=True)
        self._own(place)
        return place

    def forget(self, name: str) -> None:
        """Remove a folder on it."""
        shutil.rmtree(self._folder / name, ignore_errors=True)

    def fill(self) -> bool:
        """Leave no room; whether there is none now."""
        for _ in range(_TRIES if self._mounted else 0):
            state = os.statvfs(self._folder)
            if self._resize(str((state.f_blocks - state.f_bfree) * state.f_frsize)):
                self.full = True
                return True
        return False

    def make_room(self) -> None:
        """Let there be room again."""
        self._resize(_ROOMY)
        self.full = False

    def close(self) -> None:
        """Unmount it; what it held stays in the folder."""
        if not self._mounted:
            return
        kept = self._folder.with_name("disk-kept")
        shutil.copytree(self._folder, kept, symlinks=True)
        subprocess.run(["umount", self._folder], check=True)
        self._folder.rmdir()
        kept.rename(self._folder)
        self._mounted = False

    def _mount(self) -> bool:
        if os.geteuid() != 0:
            return False
        self._folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={_ROOMY},mode=755", "tmpfs", self._folder]
        self._mounted = not subprocess.run(command, check=False, capture_output=True).returncode
        return self._mounted

    def _own(self, place: Path) -> None:
        if self._owner is not None:
            shutil.chown(place, self._owner, self._owner)

    def _resize(self, size: str) -> bool:
        command = ["mount", "-o", f"remount,size={size}", self._folder]
        return not subprocess.run(command, check=False, capture_output=True).returncode
