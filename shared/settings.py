"""Settings of every process, from the environment, ``.env``, ``/run/secrets`` and ``pgconvoy.toml``, in that order."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from shared.errors import OperatorError
from shared.passwords import is_legible, with_password
from shared.records.rules import Rule
from shared.redact import redact, remember_secrets

_SECRETS_DIR = Path("/run/secrets")
_URLS: Final = ("source_url", "source_replica_url", "target_url", "target_replica_url", "broker_url", "result_url")
_TOML = "pgconvoy.toml"
_MIB = 1024 * 1024
Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


def _default_home() -> Path:
    return Path(platformdirs.user_data_dir("pgconvoy", appauthor=False))


class _File(TomlConfigSettingsSource):
    """``pgconvoy.toml``, which holds nothing but ours: a key that is none of ours is a slip, and would do nothing."""

    def __call__(self) -> dict[str, Any]:
        known = sorted(self.settings_cls.model_fields)
        for key in self.toml_data.keys() - set(known):
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "no setting has that name"
            msg = f"{Path(_TOML).resolve()} has the unknown key {key!r}: {hint}"
            raise OperatorError(msg)
        return super().__call__()


class Settings(BaseSettings):
    """All settings; each is read from the environment as ``PGCONVOY_`` and its name in capitals.

    URLs are secrets, since they may hold passwords: show them through `shown` alone.
    """

    FILE_ONLY: ClassVar = frozenset({"rules"})
    """Settings that stand in ``pgconvoy.toml`` alone and have no variable."""

    model_config = SettingsConfigDict(
        env_prefix="PGCONVOY_",
        env_file=".env",
        secrets_dir=_SECRETS_DIR if _SECRETS_DIR.is_dir() else None,
        toml_file=_TOML,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    source_url: SecretStr | None = Field(
        None, description="The database to copy: sqlite:///path/to/file, or the path alone."
    )
    target_url: SecretStr | None = Field(
        None, description="PostgreSQL: postgresql://user:password@host/database. Unset: an embedded server."
    )
    target_password: SecretStr | None = Field(
        None, description="The target's password where its URL has none, not percent-encoded; best as a secret file."
    )
    broker_url: SecretStr | None = Field(
        None, description="Celery's broker: redis://host/0 or amqp://… Unset: a fleet of its own for each job."
    )
    broker_password: SecretStr | None = Field(
        None, description="The broker's password where its URL has none, not percent-encoded; best as a secret file."
    )
    result_url: SecretStr | None = Field(
        None, description="Where chords are counted. Unset: the broker's next Redis database."
    )
    target_schema: str = Field("public", min_length=1, description="The schema of the target that tables go into.")
    source_replica_url: SecretStr | None = Field(
        None, description="A byte-for-byte copy of what is copied, for the reads of planning and verification."
    )
    target_replica_url: SecretStr | None = Field(
        None, description="A physical replica of the target, for the reads of verification."
    )
    snapshot_dir: Path | None = Field(
        None, description="Where snapshots of the source go; every worker must see it at the same path."
    )
    home: Path = Field(
        default_factory=_default_home, description="Where the embedded servers, their data and logs live."
    )
    workers: Count | None = Field(
        None,
        description="Worker processes of the local fleet. Unset: by cores and by where PostgreSQL runs; see"
        " `producer check`.",
    )
    chunk_mb: Annotated[float, Field(gt=0, le=1024)] = Field(32, description="Source bytes a chunk, in MiB.")
    chunk_seconds: Annotated[float, Field(ge=1)] = Field(
        60, description="A chunk that is expected to take longer, by what its neighbours took, is split before."
    )
    max_attempts: Count = Field(5, description="Attempts a chunk gets before it is failed.")
    retry_delay_s: Seconds = Field(
        2,
        description="Wait before a chunk's second attempt, 15 times as long after a full disk; doubles with each one.",
    )
    ledger_pool_size: Count = Field(2, description="Connections to the ledger that one process keeps at most.")
    connect_timeout_s: Annotated[int, Field(ge=1)] = Field(5, description="Longest wait for a connection to open.")
    lock_timeout_s: Seconds = Field(30, description="Longest wait for a lock in the target.")
    idle_timeout_s: Seconds = Field(600, description="PostgreSQL ends a transaction of ours that is idle for so long.")
    # A task costs 10 to 15 ms in ledger and queue, a tenth of what building 8 MiB takes.
    build_apart_mb: Annotated[float, Field(ge=0)] = Field(
        8,
        description="Size in MiB, estimated, of a table's largest index from which on each of its keys and indexes is"
        " a task of its own.",
    )
    maintenance_work_mem_mb: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Memory in MiB for building one index, PostgreSQL's maintenance_work_mem. Unset: the server's own,"
        " or where that is more, this build's share of an eighth of shared_buffers.",
    )
    maintenance_workers: Annotated[int, Field(ge=0)] | None = Field(
        None,
        description="Processes that help to build one index, PostgreSQL's max_parallel_maintenance_workers. Unset: the"
        " server's own.",
    )
    task_time_limit_s: Count = Field(3600, description="Longest run of one task; Celery kills it then.")
    rescue_grace_s: Seconds = Field(3, description="How long after its claim a chunk without a holder counts as lost.")
    rescue_interval_s: Seconds = Field(5, description="How often the controller looks for lost work.")
    plan_batch_chunks: Count = Field(100, description="Chunks recorded in one transaction while planning streams.")

    rules: Annotated[tuple[Rule, ...], NoDecode] = Field(
        (), description="What becomes of single tables and columns: [[rules]] in pgconvoy.toml."
    )

    @field_validator("rules", mode="before")
    @classmethod
    def _are_rules(cls, given: Any) -> Any:
        if isinstance(given, Mapping):
            msg = "are written with two brackets, one such heading a rule: [[rules]]"
            raise ValueError(msg)  # noqa: TRY004 - pydantic reports no TypeError
        if isinstance(given, str):
            msg = "are written into pgconvoy.toml as [[rules]], not into a variable: unset it"
            raise ValueError(msg)  # noqa: TRY004 - pydantic reports no TypeError
        wrong = [finding for rule in _numbered(given) for finding in _unknown_keys(*rule)]
        if wrong:
            raise ValueError("; ".join(wrong))
        return given

    @field_validator("target_url", "target_replica_url")
    @classmethod
    def _is_postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(
            ("postgresql://", "postgres://", "postgresql+psycopg2://")
        ):
            msg = "must be a PostgreSQL URL: postgresql://user:password@host:5432/database"
            raise ValueError(msg)
        return url

    @field_validator("broker_url")
    @classmethod
    def _is_broker(cls, url: SecretStr | None) -> SecretStr | None:
        schemes = ("redis://", "rediss://", "redis+socket://", "amqp://", "amqps://", "pyamqp://", "sentinel://")
        if url is not None and not url.get_secret_value().startswith(schemes):
            msg = "must be a Redis or RabbitMQ URL: redis://:password@host:6379/0"
            raise ValueError(msg)
        return url

    @field_validator("result_url")
    @classmethod
    def _counts_chords(cls, url: SecretStr | None) -> SecretStr | None:
        schemes = ("redis://", "rediss://", "redis+socket://", "socket://", "sentinel://")
        if url is not None and not url.get_secret_value().startswith(schemes):
            msg = "must be a Redis URL: redis://:password@host:6379/1"
            raise ValueError(msg)
        return url

    @field_validator("broker_url", "result_url")
    @classmethod
    def _is_legible(cls, url: SecretStr | None) -> SecretStr | None:
        # Several servers may stand in one URL (Redis's sentinels).
        if url is not None and not all(map(is_legible, url.get_secret_value().split(";"))):
            msg = (
                "cannot be read as a URL: its password must have @ / ? # % [ ] and blanks percent-encoded (or stand in"
                " PGCONVOY_BROKER_PASSWORD as it is), and its port is a number"
            )
            raise ValueError(msg)
        return url

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options first, then environment, ``.env``, secrets, ``pgconvoy.toml``."""
        return (
            init_settings,
            env_settings,
            dotenv_settings,
            file_secret_settings,
            _File(settings_cls),
        )

    @property
    def chunk_bytes(self) -> int:
        """`chunk_mb` in bytes."""
        return int(self.chunk_mb * _MIB)

    @property
    def build_apart_bytes(self) -> int:
        """`build_apart_mb` in bytes."""
        return int(self.build_apart_mb * _MIB)

    @property
    def target(self) -> str:
        """The target's URL as libpq takes it, password included: never print it.

        Raises:
            OperatorError: where no target is set.
        """
        url = _required(self.target_url, "no target is set", "PGCONVOY_TARGET_URL")
        return "postgresql://" + url.split("://", 1)[1]

    @property
    def target_for_reads(self) -> str:
        """The replica's URL for verification where one is set, else the target's; never print it."""
        if self.target_replica_url is None:
            return self.target
        return "postgresql://" + self.target_replica_url.get_secret_value().split("://", 1)[1]

    @property
    def broker(self) -> str:
        """The broker's URL, password included: never print it.

        Raises:
            OperatorError: where no broker is set.
        """
        return _required(self.broker_url, "no broker is set", "PGCONVOY_BROKER_URL")


def load_settings(**options: Any) -> Settings:
    """Read the settings; `options` that are not None override everything else.

    Raises:
        OperatorError: one sentence that names each wrong setting and says what it must be.
    """
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return _with_passwords(Settings(**given))
    except ValidationError as error:
        found = error.errors(include_url=False)
        msg = "the settings are not usable: " + "; ".join(map(_wrong, found))
        raise OperatorError(msg) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"{Path(_TOML).resolve()} cannot be read as TOML: {error}"
        raise OperatorError(msg) from None


def _with_passwords(settings: Settings) -> Settings:
    """Write the passwords into the URLs that have none, and hide all of them from now on."""
    complete = {}
    for names, password in (
        (("target_url", "target_replica_url"), settings.target_password),
        (("broker_url", "result_url"), settings.broker_password),
    ):
        for name in names:
            url = getattr(settings, name)
            if url is not None and password is not None:
                complete[name] = SecretStr(with_password(url.get_secret_value(), password.get_secret_value()))
    settings = settings.model_copy(update=complete)
    for name in _URLS:
        url = getattr(settings, name)
        if url is not None:
            remember_secrets(url.get_secret_value())
    return settings


def shown(url: SecretStr | str | None) -> str:
    """Render a URL for people, logs and the ledger: without its password."""
    if url is None:
        return ""
    return redact(url.get_secret_value() if isinstance(url, SecretStr) else url)


def _numbered(given: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    rules = given if isinstance(given, list | tuple) else ()
    return ((number, rule) for number, rule in enumerate(rules, start=1) if isinstance(rule, Mapping))


def _unknown_keys(number: int, rule: Mapping[str, Any]) -> Iterator[str]:
    for key in rule.keys() - _RULE_KEYS:
        near = difflib.get_close_matches(key, _RULE_KEYS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"a rule has {', '.join(_RULE_KEYS)}"
        yield f"rule {number} has the unknown key {key!r}: {hint}"
    if rule.get("exclude") is False:
        yield f"rule {number} has exclude = false, which takes back nothing: leave it out, and narrow the other rule"


def _wrong(error: ErrorDetails) -> str:
    """What is wrong with a setting. Only of rules is the value shown: they hold no secrets."""
    if error["loc"][0] != "rules":
        return f"{_variable(error['loc'])} {_finding(error['msg'])}"
    _, *place = error["loc"]
    if not place:
        return f"rules of {_TOML}: {_finding(error['msg'])}"
    number, *keys = place
    what = f"rule {int(number) + 1} of {_TOML}" + "".join(f", {key}" for key in keys)
    if error["type"] == "missing":
        return f"{what}: is not there, and every rule needs it"
    return f"{what}: {_finding(error['msg'])}; found {error['input']!r}"


def _variable(place: tuple[int | str, ...]) -> str:
    return "PGCONVOY_" + "_".join(str(part) for part in place).upper()


def _finding(message: str) -> str:
    return redact(message.removeprefix("Value error, "))


def _required(url: SecretStr | None, finding: str, name: str) -> str:
    if url is None:
        msg = f"{finding}: set {name} in the environment or in .env"
        raise OperatorError(msg)
    return url.get_secret_value()


_RULE_KEYS: Final = tuple(field.name for field in dataclasses.fields(Rule))
