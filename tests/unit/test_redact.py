"""Passwords vanish from text in every form that drivers and people write them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.printing import print_json
from shared import redact as redacting
from shared.redact import redact, remember_secrets


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
        ("rediss://h/0?ssl_ca_certs=/ca&ssl_password=s3cret", "rediss://h/0?ssl_ca_certs=/ca&ssl_password=***"),
        ("postgresql://h/d?sslkey=/k.pem&sslpassword=s3cret", "postgresql://h/d?sslkey=/k.pem&sslpassword=***"),
        ("sqlite:////srv/app.db?token=s3cret", "sqlite:////srv/app.db?token=***"),
        ("/srv/app.db?x=1&access_token=s3cret&y=2", "/srv/app.db?x=1&access_token=***&y=2"),
        ("https://h/app.db?X-Amz-Signature=s3cret", "https://h/app.db?X-Amz-Signature=***"),
        ("redis://:s3,cret@h/0, then", "redis://:***@h/0, then"),
        ("sqlite:////srv/monkey.db?monkey=1", "sqlite:////srv/monkey.db?monkey=1"),
        ("from redis://:a1@h/0 to postgres://u:b2@h/d", "from redis://:***@h/0 to postgres://u:***@h/d"),
        ("nothing to hide: a@b.example", "nothing to hide: a@b.example"),
    ],
)
def test_passwords_are_replaced_and_the_rest_is_kept(text: str, expected: str) -> None:
    """What helps to find a mistake stays readable."""
    assert redact(text) == expected


_PASSWORDS = st.text("abcXYZ019!$%^*()-_=+.,;:@/?#", min_size=1).map(lambda middle: f"q7{middle}q7")


@given(password=_PASSWORDS)
def test_no_password_in_a_url_survives(password: str) -> None:
    """Whatever stands between the user and the last @ of the host part is gone."""
    assert password not in redact(f"could not connect to postgresql://ada:{password}@db:5432/shop, tried twice")


@pytest.fixture
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has read no settings yet."""
    monkeypatch.setattr(redacting, "_known", set())


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://ada:Pa$$w0rd/x@db/shop", 'could not translate host name "Pa$$w0rd/x@db"'),
        ("postgresql://ada:s3%40cret!@db/shop", "password s3@cret! was refused"),
        ("postgresql://ada:s3%40cret!@db/shop", "tried s3%40cret%21"),
        ("redis://:a1'b2\"c3@host/0", "{'password': a1'b2\"c3}"),
        ("postgresql://db/shop?password=tell%20n0body", "tell n0body"),
        ("sqlite:////srv/app.db?token=t0ken-of-mine", "GET t0ken-of-mine"),
    ],
)
def test_a_known_password_is_hidden_wherever_it_stands(url: str, said: str, *, nothing_known: None) -> None:
    """Drivers tear passwords out of their URLs, decode them and encode them again."""
    before = redact(said)
    assert before == said or "***" not in said
    remember_secrets(url)
    assert "***" in redact(said)
    for part in ("w0rd", "cret", "a1'b2", "n0body", "t0ken"):
        assert part not in redact(said)


def test_a_password_that_is_a_word_blanks_out_no_sentence(nothing_known: None) -> None:
    """Who chose "postgres" goes on reading what is said of a role of that name; in its URL it is hidden."""
    remember_secrets("postgresql://postgres:postgres@db/postgres")
    assert redact("role postgres may make tables") == "role postgres may make tables"
    assert redact("postgresql://postgres:postgres@db/postgres") == "postgresql://postgres:***@db/postgres"


def test_json_without_passwords_is_still_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Texts are redacted before their quotes are escaped: a backslash that went with a password would break it."""
    print_json({"said": 'password=ab"cd', "of": ["redis://:a1@h/0"], 'pwd=x"': None})
    assert json.loads(capsys.readouterr().out) == {
        "said": 'password=***"cd',
        "of": ["redis://:***@h/0"],
        'pwd=***"': None,
    }


@given(text=st.text())
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    """What is redacted stays as it is."""
    assert redact(redact(text)) == redact(text)
