"""The connection is lost as a job is recorded: its snapshot goes only where it is certain that there is no job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from faultkit import Act, Wire
from faultkit.rig import Rig
from producerkit import ledger_rows

from producer import recording
from shared.errors import ConvoyError, UnreachableError
from shared.ledger.states import JobState

RECORDED = b"INSERT INTO pgconvoy.jobs"


@pytest.fixture
def rig(make_rig: Callable[..., Rig], tmp_path: Path) -> Rig:
    """A source and a target that know no job yet."""
    return make_rig(record=False, snapshot_dir=tmp_path / "snapshots")


def snapshots(rig: Rig) -> list[str]:
    """What lies in the folder of snapshots."""
    return sorted(path.name for path in (rig.settings.snapshot_dir or Path()).glob("*.sqlite"))


def test_a_job_whose_commit_was_not_answered_is_there_and_goes_on(rig: Rig, wire: Wire) -> None:
    """The command asks whether it was recorded, keeps its snapshot, and all rows arrive."""
    fault = wire.arm(Act.LOSE_ANSWER, b"COMMIT", after=RECORDED)
    rig.record()
    assert fault.happened
    assert len(snapshots(rig)) == 1
    assert rig.resume().progress.state == JobState.COMPLETED
    rig.assert_carried("t", "child")


def test_a_job_whose_commit_never_arrived_leaves_nothing(rig: Rig, wire: Wire) -> None:
    """Neither a job nor a snapshot: the next start has its way free."""
    wire.arm(Act.CUT, b"COMMIT", after=RECORDED)
    with pytest.raises(ConvoyError):
        rig.record()
    assert snapshots(rig) == []
    rig.record()
    assert ledger_rows(rig.direct, "SELECT count(*) FROM pgconvoy.jobs") == [(1,)]
    assert rig.resume().progress.state == JobState.COMPLETED


def test_a_snapshot_stays_where_nobody_can_say_whether_a_job_needs_it(
    rig: Rig, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target stays away after the commit: the message says what is not known, and the job can be gone on with."""
    monkeypatch.setattr(recording, "_PATIENCE_S", 0.1)
    asked = recording._look

    def away(*arguments: object) -> bool:
        wire.refuse()
        wire.cut()
        return asked(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(recording, "_look", away)
    wire.arm(Act.LOSE_ANSWER, b"COMMIT", after=RECORDED)
    with pytest.raises(UnreachableError, match="whether job 1 was recorded is not known"):
        rig.record()
    wire.disarm()
    assert len(snapshots(rig)) == 1
    assert rig.resume().progress.state == JobState.COMPLETED
