"""What a worker answers to whoever asks over the broker."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from workers.probe import probe


@pytest.fixture
def state() -> SimpleNamespace:
    """As much of Celery's worker state as is looked at."""
    pool = SimpleNamespace(num_processes=1)
    return SimpleNamespace(consumer=SimpleNamespace(pool=pool, task_consumer=SimpleNamespace(queues=())))


def test_a_probe_tells_nothing_of_what_a_file_holds(state: SimpleNamespace, tmp_path: Path) -> None:
    """A path that somebody else asks for is answered by a sentence without the file's content."""
    (tmp_path / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n" * 9)
    found = probe(state, str(tmp_path / "passwd"))["source"]
    assert "is not a SQLite database" in found
    assert "root" not in found.replace(str(tmp_path), "")


def test_a_probe_does_not_wait_for_a_pipe(state: SimpleNamespace, tmp_path: Path) -> None:
    """It runs where messages are taken: what may never answer is not opened."""
    os.mkfifo(tmp_path / "pipe")
    assert probe(state, str(tmp_path / "pipe"))["source"].endswith("is a pipe: name a SQLite file")
