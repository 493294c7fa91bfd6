"""The source as the job sees it: a snapshot that stays, or the file itself where the operator vouches for it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from producer.preflight import required_source
from producer.records import Listener
from shared.errors import SourceError
from shared.records.plan import JobOptions
from shared.records.source import Unreadable
from shared.redact import redact
from shared.settings import Settings, shown
from shared.source.kinds import is_readable_in_place, open_source, salvage_source, snapshot_source
from shared.source.reader import SourceReader
from shared.source.sqlite_file import path_of, url_of


class FrozenSource:
    """A source that does not change while a job copies it."""

    def __init__(
        self,
        url: str,
        reader: SourceReader,
        *,
        original: str,
        is_copy: bool,
        unreadable: tuple[Unreadable, ...] = (),
    ) -> None:
        self.url = url
        """What workers read; absolute, so that it means the same to each of them."""
        self.original = original
        """What was asked for, absolute too."""
        self.reader = reader
        self.fingerprint = reader.fingerprint()
        self.unreadable = unreadable
        """What of a damaged source is not in the snapshot."""
        self._is_copy = self._unused_copy = is_copy

    def keep(self) -> None:
        """Say that a job needs the snapshot from now on, or may need it."""
        self._unused_copy = False

    def release(self) -> None:
        """Say that no job needs the snapshot after all."""
        self._unused_copy = self._is_copy

    @property
    def is_unused_copy(self) -> bool:
        """Whether this is a snapshot that no job needs."""
        return self._unused_copy


@contextmanager
def frozen_source(settings: Settings, listener: Listener, options: JobOptions) -> Iterator[FrozenSource]:
    """Freeze and open the source; a snapshot that no job was recorded for is deleted again.

    Raises:
        SourceError: where it cannot be read, or the copy cannot be written.
    """
    original = url_of(path_of(required_source(settings)))
    if not options.snapshot:
        _refuse_secret(original)
        with open_source(original, frozen=False) as reader:
            yield FrozenSource(original, reader, original=original, is_copy=False)
        return
    folder = (settings.snapshot_dir or settings.home / "snapshots").expanduser().absolute()
    listener.say(f"taking a snapshot of {shown(settings.source_url)} in {folder}")
    copy, unreadable = _copied(original, folder, listener, options)
    source: FrozenSource | None = None
    try:
        with open_source(copy, frozen=True) as reader:
            source = FrozenSource(copy, reader, original=original, is_copy=True, unreadable=unreadable)
            yield source
    except SourceError as error:
        # The copy is as bad as what it was made from, and will be gone when a person reads this.
        msg = str(error).replace(str(path_of(copy)), str(path_of(original)))
        raise SourceError(msg) from error
    finally:
        if source is None or source.is_unused_copy:
            path_of(copy).unlink(missing_ok=True)


def _refuse_secret(url: str) -> None:
    """Refuse a path that workers could not be told: what looks like a secret is not written into the ledger."""
    if redact(url) != url:
        msg = (
            f"the source {redact(url)} has what looks like a password in its path, which the ledger may not hold:"
            " let pgconvoy take a snapshot (leave out --no-snapshot), or rename the file"
        )
        raise SourceError(msg)


def _copied(original: str, folder: Path, listener: Listener, options: JobOptions) -> tuple[str, tuple[Unreadable, ...]]:
    if not options.salvage:
        return snapshot_source(original, folder), ()
    copy, unreadable = salvage_source(original, folder)
    for each in unreadable:
        listener.warn(f"not readable: {each.key_range} of table {each.table}: {each.reason}")
    return copy, unreadable


@contextmanager
def salvaged_for_a_look(url: str, listener: Listener, options: JobOptions) -> Iterator[SourceReader]:
    """Open the source as it is, or a copy that is gone afterwards.

    That is of what can be read of it with --salvage, else where changes lie beside it that only a copy can take in.

    Raises:
        SourceError: where it cannot be read.
    """
    if not options.salvage and (not options.snapshot or is_readable_in_place(url)):
        with open_source(url, frozen=False) as reader:
            yield reader
        return
    with tempfile.TemporaryDirectory(prefix="pgconvoy-") as folder:
        copy, _ = _copied(url, Path(folder), listener, options)
        with open_source(copy, frozen=True) as reader:
            yield reader


@contextmanager
def reading_copy(settings: Settings, source: SourceReader) -> Iterator[SourceReader]:
    """Open the other copy of the source that planning reads, or hand back the source where none is set.

    Raises:
        SourceError: where the copy cannot be read, or is not a byte-for-byte copy of what is to be copied.
    """
    if settings.source_replica_url is None:
        yield source
        return
    with open_source(settings.source_replica_url.get_secret_value(), frozen=True) as copy:
        if copy.fingerprint() != source.fingerprint():
            msg = (
                f"the copy {shown(settings.source_replica_url)} differs from the source: make it anew, byte for byte,"
                " or unset PGCONVOY_SOURCE_REPLICA_URL"
            )
            raise SourceError(msg)
        yield copy
