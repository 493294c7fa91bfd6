"""What of a server's settings is worth a change for a load, and what is never advised."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.target import server_settings
from shared.target.server_gains import GAINS, Gain
from shared.target.server_settings import Advice, Server, ServerSetting, advice

GB = 1024**3
WORTH_IT = Gain(copy=0.9, key=0.8, load=0.85, wal=1.0)
NOTHING = Gain(copy=1.0, key=1.0, load=1.0, wal=1.0)


def setting(text: str, unit: str | None = None, *, restart: bool = False) -> ServerSetting:
    """A setting as pg_settings has it."""
    return ServerSetting(text=text, unit=unit, restart=restart)


DEFAULTS = {
    "max_wal_size": setting("1024", "MB"),
    "checkpoint_timeout": setting("300", "s"),
    "checkpoint_completion_target": setting("0.9"),
    "wal_compression": setting("off"),
    "wal_buffers": setting("512", "8kB", restart=True),
    "wal_level": setting("replica", restart=True),
    "archive_mode": setting("off", restart=True),
    "shared_buffers": setting("16384", "8kB", restart=True),
    "maintenance_work_mem": setting("65536", "kB"),
    "max_parallel_maintenance_workers": setting("2"),
    "full_page_writes": setting("on"),
    "fsync": setting("on"),
}
SERVER = Server(settings=DEFAULTS, followers=0, load=20 * GB, cores=8, memory=64 * GB)


@pytest.fixture(autouse=True)
def _all_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of the test's own: those of the package change with each measuring."""
    monkeypatch.setattr(server_settings, "GAINS", dict.fromkeys(GAINS, WORTH_IT))
    monkeypatch.setattr(server_settings, "PROVISIONAL", False)
    monkeypatch.setattr(server_settings, "WAL_PER_BYTE", 1.0)
    monkeypatch.setattr(server_settings, "BYTES_PER_S", 100_000_000)


def lines(server: Server) -> dict[str, Advice]:
    """What is advised, by the line to change."""
    return {each.line: each for each in advice(server)}


def changed(**settings: ServerSetting) -> Server:
    """The server with other settings."""
    return replace(SERVER, settings=DEFAULTS | settings)


def test_each_default_that_slows_a_large_load_has_its_line() -> None:
    """Also whether a reload does; fsync, full_page_writes and autovacuum are none of them."""
    found = lines(replace(SERVER, load=60 * GB))
    assert {line: each.restart for line, each in found.items()} == {
        "max_wal_size = 64GB": False,
        "checkpoint_timeout = 30min": False,
        "shared_buffers = 16GB": True,
        "maintenance_work_mem = 1GB": False,
        "max_parallel_maintenance_workers = 4": False,
        "wal_compression = on": False,
        "wal_buffers = 64MB": True,
        "wal_level = minimal, and max_wal_senders = 0": True,
    }


def test_what_a_small_load_never_meets_is_not_advised() -> None:
    """A hundred megabytes cause no checkpoint and fit into the buffers."""
    small = lines(replace(SERVER, load=100_000_000))
    assert not {line for line in small if line.startswith(("max_wal", "checkpoint", "shared_buffers"))}


def test_the_log_is_given_room_for_the_whole_load() -> None:
    """20 GB of log want 20 GB before the checkpoint, which begins at max_wal_size / 1.9; a disk's end is minded."""
    assert "max_wal_size = 64GB" in lines(SERVER)
    assert "max_wal_size = 16GB" in lines(replace(SERVER, load=8 * GB))
    assert "max_wal_size = 64GB" in lines(replace(SERVER, load=9000 * GB))
    assert not {line for line in lines(changed(max_wal_size=setting("65536", "MB"))) if line.startswith("max_wal_size")}


def test_what_was_measured_to_bring_nothing_is_not_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a setting's reputation."""
    monkeypatch.setattr(server_settings, "GAINS", dict.fromkeys(GAINS, NOTHING))
    assert lines(SERVER) == {}


def test_of_index_settings_only_the_key_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that seemed faster with them were so by chance."""
    gains = dict.fromkeys(GAINS, Gain(copy=0.5, key=1.0, load=0.6, wal=1.0))
    monkeypatch.setattr(server_settings, "GAINS", gains)
    assert "maintenance_work_mem = 1GB" not in lines(SERVER)
    assert "wal_buffers = 64MB" in lines(SERVER)


@pytest.mark.parametrize(
    "server",
    [
        replace(SERVER, followers=1),
        changed(archive_mode=setting("on")),
        changed(wal_level=setting("minimal")),
    ],
)
def test_a_server_that_is_followed_keeps_its_log(server: Server) -> None:
    """No replica and no archive is ever cut off for speed; and the advice says that it would be."""
    assert not {line for line in lines(server) if line.startswith("wal_level")}
    (risky,) = (each for line, each in lines(SERVER).items() if line.startswith("wal_level"))
    assert "no replica and no archive until it is set back" in risky.why


def test_nothing_is_said_of_a_machine_that_nobody_knows() -> None:
    """Memory and cores of another machine are not guessed."""
    found = lines(replace(SERVER, cores=None, memory=None))
    assert not {line for line in found if line.startswith(("shared_buffers", "max_parallel"))}


def test_what_is_unsafe_is_told_whatever_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data that is to be kept needs fsync; nobody is ever told to switch it off."""
    monkeypatch.setattr(server_settings, "GAINS", dict.fromkeys(GAINS, NOTHING))
    unsafe = changed(fsync=setting("off"), full_page_writes=setting("off"))
    assert list(lines(replace(unsafe, load=1))) == ["fsync = on", "full_page_writes = on"]


def test_an_advice_says_what_is_where_and_what_it_brings() -> None:
    """The setting, its value, the reason, the line, how it takes effect, and the measurement with its source."""
    said = str(lines(SERVER)["maintenance_work_mem = 1GB"])
    assert said.startswith(
        "maintenance_work_mem is 64MB: an index that does not fit is sorted on disk; in postgresql.conf:"
        " maintenance_work_mem = 1GB (reload); measured: the primary key in 0.80 x the time ("
    )
    assert "rows in 0.90 x, the primary key in 0.80 x the time" in str(lines(SERVER)["max_wal_size = 64GB"])


def test_a_setting_that_this_version_lacks_is_passed_over() -> None:
    """An older server's answer has fewer of them."""
    assert advice(replace(SERVER, settings={})) == ()
