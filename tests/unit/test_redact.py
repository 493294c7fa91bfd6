"""Passwords vanish from text in every form that drivers and people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.redact import redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://ada:s3cret@db/shop", "postgresql://ada:***@db/shop"),
        ("redis://:s3cret@host:6379/0", "redis://:***@host:6379/0"),
        ("amqps://u:s3cret@host//", "amqps://u:***@host//"),
        ("redis://:p@ss@host/0", "redis://:***@host/0"),
        ("redis+socket:///tmp/x?virtual_host=0", "redis+socket:///tmp/x?virtual_host=0"),
        ("postgresql://ada@db/shop", "postgresql://ada@db/shop"),
        ("postgresql://postgres:@/db?host=/x", "postgresql://postgres:@/db?host=/x"),
        ("host=db user=ada password=s3cret dbname=shop", "host=db user=ada password=*** dbname=shop"),
        ("password='it is s3cret' dbname=shop", "password=*** dbname=shop"),
        ("postgresql://db/shop?user=ada&password=s3cret&x=1", "postgresql://db/shop?user=ada&password=***&x=1"),
        ("PASSWORD = s3cret", "PASSWORD = ***"),
        ("from redis://:a1@h/0 to postgres://u:b2@h/d", "from redis://:***@h/0 to postgres://u:***@h/d"),
        ("nothing to hide: a@b.example", "nothing to hide: a@b.example"),
    ],
)
def test_passwords_are_replaced_and_the_rest_is_kept(text: str, expected: str) -> None:
    """What helps to find a mistake stays readable."""
    assert redact(text) == expected


_PASSWORDS = st.text("abcXYZ019!$%^*()-_=+.;:@/?#", min_size=1).map(lambda middle: f"q7{middle}q7")


@given(password=_PASSWORDS)
def test_no_password_in_a_url_survives(password: str) -> None:
    """Whatever stands between the user and the last @ of the host part is gone."""
    assert password not in redact(f"could not connect to postgresql://ada:{password}@db:5432/shop, tried twice")


@given(text=st.text())
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    """What is redacted stays as it is."""
    assert redact(redact(text)) == redact(text)
