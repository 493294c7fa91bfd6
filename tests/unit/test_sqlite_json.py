from __future__ import annotations

import psycopg2
import pytest

from shared.source.sqlite_json import JSON, JSONB, NOT_JSON, judge_json

CASES = [
    ('{"a": [1, 2.50, -0, 1e5, true, null, "é"]}', JSONB),
    (" 5 ", JSONB),
    ('"\\ud83d\\ude00"', JSONB),
    ('"\\\\u0000"', JSONB),
    ("1" * 131_072, JSONB),
    ("1" * 131_073, JSON),
    ("1e131071", JSONB),
    ("1e131072", JSON),
    ("1e-16383", JSONB),
    ("1e-16384", JSON),
    ("1e99999999999999999999", JSON),
    ('{"a": 1, "a": 2}', JSON),
    ('[{"b": {"a": 1, "\\u0061": 2}}]', JSON),
    ('{"a": 1e99999, "b": 1, "b": 2}', JSON),
    ('"\\u0000"', JSON),
    ('"\\ud83d"', JSON),
    ('"\\ude00\\ud83d"', JSON),
    ("", NOT_JSON),
    ("NaN", NOT_JSON),
    ("[-Infinity]", NOT_JSON),
    ("{'a': 1}", NOT_JSON),
    ('{"a": 1} x', NOT_JSON),
    ("01", NOT_JSON),
    ('"\t"', NOT_JSON),
    ('{"a": 1}\0', NOT_JSON),
    ("[" * 100_000 + "]" * 100_000, NOT_JSON),
]


@pytest.mark.parametrize(("text", "answer"), CASES)
def test_texts_are_judged_as_postgresql_would(text: str, answer: int) -> None:
    """What RFC 8259 allows is json; repeated names, U+0000, lone surrogates and huge numbers are no jsonb."""
    assert judge_json(text.encode(), "utf-8") == answer


def test_what_is_not_valid_utf_8_is_not_json() -> None:
    """PostgreSQL would refuse the bytes."""
    assert judge_json(b'"\xff"', "utf-8") == NOT_JSON


def test_a_database_in_utf_16_holds_json_too() -> None:
    """Bytes come as the database stores them."""
    assert judge_json('{"é": 1}'.encode("utf-16le"), "utf-16le") == JSONB


def test_postgresql_agrees(postgres_url: str) -> None:
    """Each judgement above is PostgreSQL's own, but for what jsonb takes with loss: repeated names."""
    connection = psycopg2.connect(postgres_url)
    try:
        with connection.cursor() as cursor:
            for text, answer in CASES:
                if "\0" in text or "[[[" in text:  # cannot be sent at all; ends the statement by its stack's depth
                    continue
                cursor.execute(
                    "SELECT pg_input_is_valid(%(t)s, 'json'), pg_input_is_valid(%(t)s, 'jsonb')", {"t": text}
                )
                is_json, is_jsonb = cursor.fetchone()
                assert (answer != NOT_JSON) == is_json, text
                assert is_jsonb or answer != JSONB, text
                assert answer == JSONB or not is_jsonb or '"a"' in text, text
    finally:
        connection.close()
