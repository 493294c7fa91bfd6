"""What fidelity.md shows as examples: values, types, declared types, rules."""  # noqa: INP001 - a folder of pages, no package

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from shared.records.keys import RawText, Value
from shared.records.rules import BadTextPolicy, NulPolicy, SourceForm, Treatment
from shared.records.source import StorageClass

UUID: Final = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
BAD: Final = RawText(b"K\xf6ln")
VALUES: Final[Mapping[StorageClass, Sequence[Value]]] = {
    StorageClass.INTEGER: (0, 1, 7, 3_000_000_000, 9_007_199_254_740_993),
    StorageClass.REAL: (2.0, 0.5, 0.1, 1e300, float("inf")),
    StorageClass.TEXT: (
        "", "word", "12.50", "yes", "2024-05-06", "07:08", "2024-05-06 07:08:09", "2024-05-06T07:08:09+02:00", UUID,
        '{"a": 1}', '{"a": 1, "a": 2}', "a\0b", BAD,
    ),
    StorageClass.BLOB: (b"", b"\0\xff", bytes.fromhex(UUID.replace("-", ""))),
}  # fmt: skip
TYPES: Final = (
    "smallint", "integer", "bigint", "real", "double precision", "numeric", "numeric(4,1)", "text", "varchar(3)",
    "bytea", "boolean", "date", "time", "timestamp", "timestamptz", "uuid", "json", "jsonb",
)  # fmt: skip
DECLARED: Final[Sequence[tuple[str, Sequence[Sequence[Value]]]]] = (
    ("INTEGER", ((1, -5), (1, 0.5), (1, "word"), ())),
    ("BIGINT", ((3_000_000_000,),)),
    ("FLOATING POINT", ((1, 0.5),)),
    ("REAL", ((0.5, 2.0),)),
    ("DOUBLE", ((0.5, "word"),)),
    ("NUMERIC", ((19, 0.99), (0.5, float("inf")))),
    ("DECIMAL(10,2)", ((19, 0.99), (0.125,))),
    ("TEXT", (("word",), ("a\0b", "word"), (UUID,))),
    ("VARCHAR(3)", (("ab",), ("abcde",))),
    ("CHAR(36)", ((UUID,), (UUID, "none"))),
    ("STRING", (("word",), ("12",))),
    ("BLOB", ((b"\0\xff",), ("word", b"\0\xff"))),
    ("BOOLEAN", ((0, 1), ("yes", "no"), (0, 1, "true"), (0, 2))),
    ("DATE", (("2024-05-06",), ("2024-05-06 07:08:09",), ("2024-05-06", "06/05/2024"))),
    ("DATETIME", (("2024-05-06 07:08:09",), ("2024-05-06T07:08:09Z",), (1_715_000_000,), (2_460_436.5,))),
    ("TIMESTAMP WITH TIME ZONE", (("2024-05-06T07:08:09+02:00",),)),
    ("TIME", (("07:08",), ("7 o'clock",))),
    ("UUID", ((UUID,), (bytes(range(16)),))),
    ("JSON", (('{"a": 1}',), ('{"a": 1, "a": 2}',), ("word",))),
    ("", ((1,), ("word",), (1, "word"), (b"\0\xff", "word"), ())),
)
RULES: Final[Sequence[tuple[str, str, Treatment, Sequence[Value]]]] = (
    ("null_if_empty = true", "text", Treatment(null_if_empty=True), ("", " ")),
    ('nul = "strip"', "text", Treatment(nul=NulPolicy.STRIP), ("a\0b",)),
    ('nul = "replace"', "text", Treatment(nul=NulPolicy.REPLACE), ("a\0b",)),
    ('bad_utf8 = "latin-1"', "text", Treatment(bad_utf8=BadTextPolicy.LATIN_1), (BAD, "Köln")),
    ('bad_utf8 = "replace"', "text", Treatment(bad_utf8=BadTextPolicy.REPLACE), (BAD,)),
    ('bad_utf8 = "bytea"', "bytea", Treatment(bad_utf8=BadTextPolicy.BYTEA), (BAD, "Köln")),
    *(
        (f'form = "{form}"', type_, Treatment(form=form), values)
        for form, type_, values in (
            (SourceForm.UNIX_S, "timestamptz", (1_715_000_000, 1_715_000_000.25, -1, "1715000000", "soon")),
            (SourceForm.UNIX_S, "date", (1_714_953_600, 1_715_000_000)),
            (SourceForm.UNIX_MS, "timestamptz", (1_715_000_000_250,)),
            (SourceForm.UNIX_US, "timestamptz", (1_715_000_000_250_001,)),
            (SourceForm.UNIX_US, "interval", (5_400_000_000,)),
            (SourceForm.JULIAN, "timestamptz", (2_460_436.5, 2_460_437, -1.0)),
            (
                SourceForm.ISO,
                "timestamptz",
                (
                    "2024-05-06", "2024-05-06 07:08", "2024-05-06T07:08:09.123456Z", "20240506T070809+0200",
                    "2024-05-06 07:08:09 -05", "2024-05-06T07", "2024-05-06 07:08:09,5", "2024-02-30", "6 May 2024",
                    "2024-05-06 07:08:09.1234567",
                ),
            ),
            (SourceForm.ISO, "timestamp", ("2024-05-06 07:08", "2024-05-06 07:08Z")),
        )
    ),
)  # fmt: skip
