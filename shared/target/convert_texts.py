"""Columns as text, bytea, json, boolean and uuid."""

from __future__ import annotations

import binascii
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shared.target.convert_arrays import Bytes, array_of, texts_of
from shared.target.value_rules import (
    FALSE_SPELLINGS,
    TRUE_SPELLINGS,
    UUID_BYTES,
    Limits,
    Unfit,
    UnfitError,
    has_duplicate_names,
    real_text,
    refuse_where,
)

_JSONB_VERSION: Final = "\x01"
"""What jsonb's binary form begins with (jsonb_recv)."""
_PLAIN_FROM: Final = 1e-4
_PLAIN_BELOW: Final = 1e9
"""From and below these sizes Arrow writes a real like Python does, but for the ``.0`` of integers."""
_NOT_ASCII: Final = 0x80
_TEXTS_AT_ONCE: Final = 256
"""Texts that are looked at together where some are not valid."""
_HEX_WIDTH: Final = 32
_HYPHENED_WIDTH: Final = 36
_HYPHENS: Final = (8, 13, 18, 23)


def to_text(array: pa.Array, limits: Limits) -> pa.Array:
    """Render numbers as text, and keep texts that PostgreSQL's text can hold."""
    text = _plain_text(array, blob=Unfit.NOT_TEXT)
    if limits.length is not None:
        lengths = pc.utf8_length(text)
        if (pc.max(lengths).as_py() or 0) > limits.length:
            raise UnfitError(Unfit.TOO_LONG, _values(pc.greater(lengths, limits.length)))
    return text


def to_json(array: pa.Array) -> pa.Array:
    """Keep texts (PostgreSQL says whether they are JSON) and render numbers, which JSON writes alike."""
    if pa.types.is_floating(array.type) and pc.any(pc.is_inf(array)).as_py():
        raise UnfitError(Unfit.NOT_JSON)
    return _plain_text(array, blob=Unfit.NOT_JSON)


def to_jsonb(array: pa.Array) -> pa.Array:
    """As `to_json`, in jsonb's binary form. For objects with one name twice see `refuse_duplicate_names`."""
    return pc.cast(pc.binary_join_element_wise(_JSONB_VERSION, to_json(array), ""), pa.binary())


def refuse_duplicate_names(jsonb: pa.Array) -> None:
    """Refuse objects with one name twice in jsonb's binary form, since PostgreSQL would keep one of the members.

    It takes about 2 µs a document, so it is asked only where the profile has not answered it before.
    """
    for document in jsonb.drop_null().to_pylist():
        if has_duplicate_names(document[1:].decode()):
            raise UnfitError(Unfit.DUPLICATE_NAMES)


def to_bytea(array: pa.Array) -> pa.Array:
    """Keep blobs; take texts, even undecodable ones, and rendered numbers as their bytes."""
    if pa.types.is_binary(array.type):
        return array
    text = array if pa.types.is_string(array.type) else _rendered(array)
    return pc.cast(text, pa.binary())


def to_booleans(array: pa.Array) -> pa.Array:
    """Convert 0 and 1, and PostgreSQL's spellings of true and false."""
    if pa.types.is_integer(array.type):
        _require_all_in(array, pa.array([0, 1, None], pa.int64()))
        return pc.cast(array, pa.bool_())
    if not pa.types.is_string(array.type):
        raise UnfitError(Unfit.NOT_BOOLEAN)
    lowered = pc.ascii_lower(array)
    _require_all_in(lowered, pa.array([*TRUE_SPELLINGS, *FALSE_SPELLINGS, None]))
    truths = pc.is_in(lowered, pa.array(TRUE_SPELLINGS))
    return pc.if_else(lowered.is_valid(), truths, None)


def _require_all_in(array: pa.Array, spellings: pa.Array) -> None:
    known = pc.is_in(array, spellings)
    if not pc.all(known, min_count=0).as_py():
        raise UnfitError(Unfit.NOT_BOOLEAN, _values(pc.invert(known.filter(array.is_valid()))))


def _values(truths: pa.Array) -> npt.NDArray[np.bool_]:
    """The answers for the values that are not NULL."""
    mask: npt.NDArray[np.bool_] = truths.drop_null().to_numpy(zero_copy_only=False)
    return mask


def to_uuids(array: pa.Array, wire_type: pa.DataType) -> pa.Array:
    """Convert texts of 32 hexadecimal digits, with or without hyphens, and blobs of 16 bytes."""
    if not (pa.types.is_string(array.type) or pa.types.is_binary(array.type)):
        raise UnfitError(Unfit.NOT_UUID)
    texts = texts_of(array)
    blobs = pa.types.is_binary(array.type)
    refuse_where(~np.isin(texts.lengths, (UUID_BYTES,) if blobs else (_HEX_WIDTH, _HYPHENED_WIDTH)), Unfit.NOT_UUID)
    if blobs:
        return pc.cast(array, wire_type)
    raw = np.empty((len(texts.lengths), UUID_BYTES), np.uint8)
    for width, rows in texts.groups(texts.lengths):
        raw[rows] = _unhexlified(texts.cut(rows, width))
    return array_of(raw, array, wire_type)


def _unhexlified(text: Bytes) -> Bytes:
    if text.shape[1] == _HYPHENED_WIDTH:
        if (text[:, _HYPHENS] != ord("-")).any():
            raise UnfitError(Unfit.NOT_UUID)
        text = np.delete(text, _HYPHENS, axis=1)
    try:
        return np.frombuffer(binascii.unhexlify(text.tobytes()), np.uint8).reshape(-1, UUID_BYTES)
    except binascii.Error:
        raise UnfitError(Unfit.NOT_UUID) from None


def _plain_text(array: pa.Array, *, blob: Unfit) -> pa.Array:
    if pa.types.is_binary(array.type):
        raise UnfitError(blob)
    if not pa.types.is_string(array.type):
        return _rendered(array)
    _refuse_what_no_text_holds(array)
    return array


def _refuse_what_no_text_holds(array: pa.Array) -> None:
    """Refuse texts that are not valid UTF-8, and those with a NUL; both are named at once."""
    decodable, nul = _is_decodable(array), not _bytes_of(array).all()
    if decodable and not nul:
        return
    texts = array.drop_null()
    bad = _with_nul(texts) if nul else np.zeros(len(texts), np.bool_)
    if not decodable:
        for first in range(0, len(texts), _TEXTS_AT_ONCE):
            _mark_undecodable(texts.slice(first, _TEXTS_AT_ONCE), first, bad)
    if bad.any() or not decodable:
        raise UnfitError(Unfit.NUL if decodable else Unfit.NOT_UTF8, bad if bad.any() else None)


def _mark_undecodable(texts: pa.Array, first: int, bad: npt.NDArray[np.bool_]) -> None:
    """Halve until those that are not valid stand alone."""
    if _is_decodable(texts):
        return
    if len(texts) == 1:
        bad[first] = True
        return
    middle = len(texts) // 2
    _mark_undecodable(texts.slice(0, middle), first, bad)
    _mark_undecodable(texts.slice(middle), first + middle, bad)


def _is_decodable(texts: pa.Array) -> bool:
    if not _bytes_of(texts).max(initial=0) & _NOT_ASCII:
        return True
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _with_nul(array: pa.Array) -> npt.NDArray[np.bool_]:
    """Which texts hold a NUL."""
    texts = texts_of(array)
    bad = np.zeros(len(texts.starts), np.bool_)
    if len(bad):
        used = texts.data[texts.starts[0] : texts.starts[-1] + texts.lengths[-1]]
        # Of several texts that begin at one place, the last one is not empty.
        bad[np.searchsorted(texts.starts, texts.starts[0] + np.flatnonzero(used == 0), side="right") - 1] = True
    return bad


def _bytes_of(texts: pa.Array) -> Bytes:
    """All bytes of an array of texts; also those under NULLs, of which there are none as a rule."""
    _, offset_buffer, data_buffer = texts.buffers()
    if data_buffer is None or not len(texts):
        return np.empty(0, np.uint8)
    offsets = np.frombuffer(offset_buffer, np.int32)
    return np.frombuffer(data_buffer, np.uint8)[offsets[texts.offset] : offsets[texts.offset + len(texts)]]


def _rendered(numbers: pa.Array) -> pa.Array:
    if pa.types.is_integer(numbers.type):
        return pc.cast(numbers, pa.string())
    sizes = pc.abs(numbers)
    plain = pc.and_(pc.greater_equal(sizes, _PLAIN_FROM), pc.less(sizes, _PLAIN_BELOW))
    text = pc.cast(numbers, pa.string())
    whole = pc.binary_join_element_wise(text, pa.scalar(".0"), "")
    rendered = pc.if_else(pc.match_substring(text, "."), text, whole)
    if pc.all(plain).as_py():
        return rendered
    others = [real_text(number) for number in numbers.filter(pc.invert(plain)).to_pylist()]
    return pc.replace_with_mask(rendered, pc.fill_null(pc.invert(plain), False), pa.array(others, pa.string()))
