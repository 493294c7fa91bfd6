"""A schema that an application's own models make on both sides takes the rows, and the models read them back equal."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from casekit import inline_workforce
from pydantic import SecretStr
from sqlalchemy import orm

from producer import starting
from producer.records import JobEnd, JobProgress
from producer.starting import start
from shared.records.plan import JobOptions
from shared.settings import Settings


class Mood(enum.Enum):
    """An enum of the application: its names are stored."""

    GOOD = "fine"
    BAD = "poor"


class Base(orm.DeclarativeBase):
    """What the models share."""


class Team(Base):
    """A table that refers to a later one: a circle."""

    __tablename__ = "Team"
    id: orm.Mapped[int] = orm.mapped_column(sa.Integer, primary_key=True)
    title: orm.Mapped[str] = orm.mapped_column(sa.String(30), unique=True)
    lead: orm.Mapped[uuid.UUID | None] = orm.mapped_column(sa.ForeignKey("member.id", use_alter=True, name="team_lead"))


class Member(Base):
    """A column of every type that SQLAlchemy has for both databases."""

    __tablename__ = "member"
    id: orm.Mapped[uuid.UUID] = orm.mapped_column(sa.Uuid, primary_key=True)
    team: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("Team.id"))
    mentor: orm.Mapped[uuid.UUID | None] = orm.mapped_column(sa.ForeignKey("member.id"))
    big: orm.Mapped[int] = orm.mapped_column(sa.BigInteger)
    small: orm.Mapped[int] = orm.mapped_column(sa.SmallInteger)
    active: orm.Mapped[bool] = orm.mapped_column(sa.Boolean)
    maybe: orm.Mapped[bool | None] = orm.mapped_column(sa.Boolean)
    name: orm.Mapped[str] = orm.mapped_column("camelCase", sa.String(40))
    about: orm.Mapped[str] = orm.mapped_column(sa.Unicode)
    wide: orm.Mapped[str] = orm.mapped_column(sa.Text)
    born: orm.Mapped[dt.date] = orm.mapped_column(sa.Date)
    seen: orm.Mapped[dt.datetime] = orm.mapped_column(sa.DateTime)
    noon: orm.Mapped[dt.time] = orm.mapped_column(sa.Time)
    price: orm.Mapped[decimal.Decimal] = orm.mapped_column(sa.Numeric(12, 3))
    ratio: orm.Mapped[float] = orm.mapped_column(sa.Float)
    double: orm.Mapped[float] = orm.mapped_column(sa.Double)
    photo: orm.Mapped[bytes] = orm.mapped_column(sa.LargeBinary)
    mood: orm.Mapped[Mood] = orm.mapped_column(sa.Enum(Mood))
    kept: orm.Mapped[Mood] = orm.mapped_column(sa.Enum(Mood, native_enum=False, create_constraint=True))
    document: orm.Mapped[Any] = orm.mapped_column(sa.JSON)
    pickled: orm.Mapped[Any] = orm.mapped_column(sa.PickleType)
    twice: orm.Mapped[int] = orm.mapped_column(sa.Integer, sa.Computed("small * 2", persisted=True))
    __table_args__ = (sa.CheckConstraint("small < 1000", name="small_enough"), sa.Index("by_birth", "born", "seen"))


class Silent:
    """Hears what is told."""

    def say(self, text: str) -> None:
        """Hear."""

    def warn(self, text: str) -> None:
        """Hear."""

    def show(self, progress: JobProgress) -> None:
        """See."""


def _members(teams: Sequence[Team]) -> list[Member]:
    return [_member(n, teams[n % len(teams)].id) for n in range(200)]


def _member(n: int, team: int) -> Member:
    return Member(
        id=uuid.uuid5(uuid.NAMESPACE_DNS, str(n)),
        team=team,
        mentor=None if n % 3 else uuid.uuid5(uuid.NAMESPACE_DNS, str((n + 7) % 200)),
        big=2**62 - n,
        small=n - 100,
        active=n % 2 == 0,
        maybe=(None, True, False)[n % 3],
        name=f"name {n}",
        about="über\tall",
        wide="x" * n,
        born=dt.date(1950, 1, 1) + dt.timedelta(days=n * 97),
        seen=dt.datetime.fromisoformat("2024-02-29 23:59:59") + dt.timedelta(microseconds=n * 4999),
        noon=dt.time(n % 24, n % 60, 1, n),
        price=decimal.Decimal(n) / 8,
        ratio=n / 7,
        double=-n / 3,
        photo=bytes([0, n, 255]),
        mood=Mood.GOOD if n % 2 else Mood.BAD,
        kept=Mood.BAD if n % 2 else Mood.GOOD,
        document={"n": n, "list": [1.5, None, "é"], "deep": {"yes": True}} if n % 5 else None,
        pickled=("tuple", n),
    )


def _read(engine: sa.Engine) -> list[dict[str, Any]]:
    """All rows as the models see them."""
    with orm.Session(engine) as session:
        found: list[Any] = [*session.scalars(sa.select(Team).order_by(Team.id))]
        found += session.scalars(sa.select(Member).order_by(Member.big))
        return [{key: getattr(each, key) for key, _ in each.__mapper__.columns.items()} for each in found]


@pytest.fixture
def engines(target_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[sa.Engine, sa.Engine]:
    """The application's database with rows, and the target with its schema."""
    monkeypatch.setattr(starting, "open_workforce", inline_workforce)
    source = sa.create_engine(f"sqlite:///{tmp_path / 'app.db'}")
    target = sa.create_engine(target_url.replace("postgresql://", "postgresql+psycopg2://"), poolclass=sa.pool.NullPool)
    for engine in (source, target):
        Base.metadata.create_all(engine)
    with orm.Session(source) as session:
        teams = [Team(title=f"team {n}") for n in range(5)]
        session.add_all(teams)
        session.flush()
        members = _members(teams)
        session.add_all(members)
        session.flush()
        for team in teams:
            team.lead = members[team.id * 3].id
        session.commit()
    source.dispose()
    return source, target


def test_models_read_back_what_they_wrote(
    engines: tuple[sa.Engine, sa.Engine], target_url: str, tmp_path: Path
) -> None:
    """Every value of every type is equal through the models, keys hold again, and new rows get free ids."""
    source, target = engines
    settings = Settings(
        source_url=SecretStr(str(tmp_path / "app.db")),
        target_url=SecretStr(target_url),
        home=tmp_path / "home",
        workers=1,
    )
    end = start(settings, JobOptions(data_only=True), Silent())
    assert isinstance(end, JobEnd)
    assert (str(end.progress.state), end.progress.rejects, end.progress.rows) == ("completed", 0, 205)
    assert _read(target) == _read(source)
    with orm.Session(target) as session:
        session.add(Team(title="new"))
        session.flush()
        assert session.scalars(sa.select(sa.func.max(Team.id))).one() == 6
        session.add(Team(title="nobody's", lead=uuid.uuid4()))
        with pytest.raises(sa.exc.IntegrityError, match="team_lead"):
            session.flush()
