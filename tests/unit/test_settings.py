"""Settings come from five places in a known order, are checked, and never show a password."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pytest

from producer.background import environment_of
from shared.errors import ExitCode, OperatorError
from shared.records.rules import Rule, SourceForm
from shared.settings import Settings, load_settings, shown

_TARGET = "postgresql://ada:s3cret@db/shop"


def test_nothing_has_to_be_set() -> None:
    """Without any setting the embedded servers are used."""
    settings = load_settings()
    assert settings.target_url is None
    assert settings.broker_url is None
    assert settings.target_schema == "public"


def test_options_beat_environment_beat_env_file_beat_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each place overrides the ones after it."""
    (tmp_path / "pgconvoy.toml").write_text('workers = 3\nchunk_mb = 3\nmax_attempts = 3\ntarget_schema = "toml"\n')
    (tmp_path / ".env").write_text("PGCONVOY_WORKERS=4\nPGCONVOY_CHUNK_MB=4\nPGCONVOY_MAX_ATTEMPTS=4\n")
    monkeypatch.setenv("PGCONVOY_WORKERS", "5")
    monkeypatch.setenv("PGCONVOY_CHUNK_MB", "5")
    settings = load_settings(workers=6)
    assert settings.workers == 6
    assert settings.chunk_mb == 5
    assert settings.max_attempts == 4
    assert settings.target_schema == "toml"


def test_secrets_are_read_from_their_folder(tmp_path: Path) -> None:
    """A file named like the variable serves, as containers mount them."""
    (tmp_path / "pgconvoy_target_url").write_text(_TARGET)
    assert Settings(_secrets_dir=tmp_path).target == _TARGET


@pytest.mark.parametrize(
    ("url", "complete"),
    [
        ("postgresql://ada@db/shop", "postgresql://ada:p%40ss%2F%20w%22rd@db/shop"),
        (
            "postgresql://db:5432/shop?sslmode=verify-full",
            "postgresql://:p%40ss%2F%20w%22rd@db:5432/shop?sslmode=verify-full",
        ),
        ("postgresql://ada:own@db/shop", "postgresql://ada:own@db/shop"),
        ("postgresql://db/shop?user=ada&password=own", "postgresql://db/shop?user=ada&password=own"),
    ],
)
def test_a_password_of_its_own_is_written_into_a_url_that_has_none(
    url: str, complete: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret file holds the password as it is; nobody has to percent-encode it."""
    monkeypatch.setenv("PGCONVOY_TARGET_URL", url)
    monkeypatch.setenv("PGCONVOY_TARGET_PASSWORD", 'p@ss/ w"rd')
    assert load_settings().target == complete


def test_the_brokers_password_serves_results_too_and_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """A local fleet's Redis is guarded by the file system and takes no login."""
    monkeypatch.setenv("PGCONVOY_BROKER_PASSWORD", "s3 cret")
    settings = load_settings(broker_url="redis://ada@h/0", result_url="rediss://h/1")
    assert settings.broker == "redis://ada:s3%20cret@h/0"
    assert settings.result_url is not None
    assert settings.result_url.get_secret_value() == "rediss://:s3%20cret@h/1"
    assert load_settings(broker_url="redis+socket:///tmp/x").broker == "redis+socket:///tmp/x"


def test_an_option_that_was_not_given_overrides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """None means: not given."""
    monkeypatch.setenv("PGCONVOY_WORKERS", "5")
    assert load_settings(workers=None).workers == 5


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose sets variables to nothing where the operator gave none."""
    monkeypatch.setenv("PGCONVOY_TARGET_URL", "")
    assert load_settings().target_url is None


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("workers", "0", "PGCONVOY_WORKERS"),
        ("workers", "many", "PGCONVOY_WORKERS"),
        ("chunk_mb", "-1", "PGCONVOY_CHUNK_MB"),
        ("target_url", "mysql://ada:s3cret@db/shop", "PGCONVOY_TARGET_URL must be a PostgreSQL URL"),
        ("target_replica_url", "nonsense", "PGCONVOY_TARGET_REPLICA_URL must be a PostgreSQL URL"),
        ("broker_url", "http://ada:s3cret@host", "PGCONVOY_BROKER_URL must be a Redis or RabbitMQ URL"),
        ("target_schema", "", "PGCONVOY_TARGET_SCHEMA"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(name: str, value: str, named: str) -> None:
    """One sentence says which setting is wrong; the value may be a secret."""
    with pytest.raises(OperatorError, match=named) as caught:
        load_settings(**{name: value})
    assert caught.value.exit_code is ExitCode.USAGE
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


def test_every_wrong_setting_is_named_at_once() -> None:
    """Nobody has to mend one to hear of the next."""
    with pytest.raises(OperatorError, match=r"PGCONVOY_WORKERS.*PGCONVOY_CHUNK_MB"):
        load_settings(workers=0, chunk_mb=0)


def test_no_password_is_shown() -> None:
    """Neither in the settings' text nor where a URL is shown on purpose."""
    settings = load_settings(target_url=_TARGET, broker_url="redis://:s3cret@host/0")
    assert "s3cret" not in repr(settings) + str(settings) + str(settings.model_dump()) + settings.model_dump_json()
    assert shown(settings.target_url) == "postgresql://ada:***@db/shop"
    assert shown(None) == ""


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_the_target_is_given_to_drivers_as_libpq_knows_it(scheme: str) -> None:
    """Other tools' spellings of the scheme are understood."""
    assert load_settings(target_url=f"{scheme}://ada:s3cret@db/shop").target == _TARGET


def test_verification_reads_the_replica_where_there_is_one() -> None:
    """Else the target itself."""
    assert load_settings(target_url=_TARGET).target_for_reads == _TARGET
    replica = load_settings(target_url=_TARGET, target_replica_url="postgres://r/shop")
    assert replica.target_for_reads == "postgresql://r/shop"


def test_asking_for_what_is_not_set_says_what_to_set() -> None:
    """The message names the variable."""
    with pytest.raises(OperatorError, match="PGCONVOY_TARGET_URL"):
        _ = load_settings().target
    with pytest.raises(OperatorError, match="PGCONVOY_BROKER_URL"):
        _ = load_settings().broker


def test_chunk_sizes_are_mebibytes() -> None:
    """The unit is binary."""
    assert load_settings(chunk_mb=2).chunk_bytes == 2 * 1024 * 1024


def _rules(text: str) -> tuple[Rule, ...]:
    Path("pgconvoy.toml").write_text(text)
    return load_settings().rules


def test_rules_are_read_from_the_file() -> None:
    """Each [[rules]] entry, in its order."""
    found = _rules(
        '[[rules]]\ntable = "log"\nexclude = true\n[[rules]]\ntable = "*"\ncolumn = "*_at"\nform = "unix_ms"\n'
    )
    assert found == (Rule(table="log", exclude=True), Rule(table="*", column="*_at", form=SourceForm.UNIX_MS))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[rules]]\ntabel = "t"', "rule 1 has the unknown key 'tabel': did you mean 'table'"),
        ('[[rules]]\ntable = "t"\nwhy = 1', "rule 1 has the unknown key 'why': a rule has table, column, name"),
        ('[[rules]]\ntable = "t"\nexclude = false', "rule 1 has exclude = false, which takes back nothing"),
        ("[[rules]]\nexclude = true", "rule 1 of pgconvoy.toml, table: is not there"),
        (
            '[[rules]]\ntable = "t"\nexclude = true\n[[rules]]\ntable = "t"\nform = "unix"',
            "rule 2 of pgconvoy.toml, form: Input should be 'unix_s', 'unix_ms', 'unix_us', .*; found 'unix'",
        ),
        (
            '[[rules]]\ntable = "t"\nnull_if_empty = "perhaps"',
            "rule 1 of pgconvoy.toml, null_if_empty: .*; found 'perhaps'",
        ),
        ('rules = ["t"]', "rule 1 of pgconvoy.toml: .*; found 't'"),
        ("[[rules", "pgconvoy.toml cannot be read as TOML: "),
        ('[[rule]]\ntable = "t"', r"pgconvoy\.toml has the unknown key 'rule': did you mean 'rules'"),
        ("PGCONVOY_WORKERS = 3", r"pgconvoy\.toml has the unknown key 'PGCONVOY_WORKERS'"),
        ('[rules]\ntable = "t"', r"rules of pgconvoy\.toml: are written with two brackets"),
    ],
)
def test_a_wrong_rule_is_named(text: str, said: str) -> None:
    """Which rule, which key, what was found, what is allowed; nobody sees a traceback."""
    with pytest.raises(OperatorError, match=said):
        _rules(text)


def test_rules_have_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """One place holds them, so that a message can name it."""
    monkeypatch.setenv("PGCONVOY_RULES", "[]")
    with pytest.raises(OperatorError, match=r"written into pgconvoy\.toml as \[\[rules\]\]"):
        load_settings()


def test_rules_are_not_handed_to_other_processes_of_ours() -> None:
    """They travel with the job."""
    Path("pgconvoy.toml").write_text('workers = 3\n[[rules]]\ntable = "t"\nexclude = true\n')
    assert environment_of(load_settings()) == {"PGCONVOY_WORKERS": "3", "PGCONVOY_HOME": os.environ["PGCONVOY_HOME"]}
