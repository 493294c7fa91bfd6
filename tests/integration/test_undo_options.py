"""--undo-log beside other options, and into tables of any kind: it works, or is refused before anything is made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from casekit import Silent
from undokit import LOGGED, Maker, ask, change_source, dump, ended

from producer.planning import plan_only
from producer.rolling_back import rollback
from shared.errors import OperatorError
from shared.records.plan import OnConflict
from shared.settings import Settings

SOURCE = """
    CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT);
    INSERT INTO item VALUES (1, 'one'), (2, 'two'), (3, 'three'), (4, 'four');
"""
HELD = "INSERT INTO item (id, name) VALUES (1, 'one'), (2, 'old'), (9, 'mine')"
KEYED = f"CREATE TABLE item (id bigint PRIMARY KEY, name text); {HELD}"
TARGETS = {
    "plain": KEYED,
    "unlogged": KEYED.replace("CREATE", "CREATE UNLOGGED"),
    "empty, without a key": "CREATE TABLE item (id bigint, name text, own int DEFAULT 7)",
    "stored columns": f"""
        CREATE TABLE item (id bigint PRIMARY KEY, name text, twice bigint GENERATED ALWAYS AS (id * 2) STORED,
                           loud text GENERATED ALWAYS AS (upper(name)) STORED, UNIQUE (twice)); {HELD}""",
    "columns that are computed when read": f"""
        CREATE TABLE item (id bigint PRIMARY KEY, name text, loud text GENERATED ALWAYS AS (upper(name)) VIRTUAL);
        {HELD}""",
    "partitions of partitions": f"""
        CREATE TABLE item (id bigint, name text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
        CREATE TABLE item_low (name text, id bigint NOT NULL) PARTITION BY LIST (id);
        ALTER TABLE item ATTACH PARTITION item_low FOR VALUES FROM (1) TO (3);
        CREATE TABLE item_two PARTITION OF item_low FOR VALUES IN (2);
        CREATE TABLE item_rest PARTITION OF item_low DEFAULT;
        CREATE TABLE item_high PARTITION OF item DEFAULT; {HELD}""",
    "children by inheritance": f"""
        CREATE TABLE item (id bigint PRIMARY KEY, name text); CREATE TABLE item_child () INHERITS (item);
        INSERT INTO item_child VALUES (2, 'of the child'), (3, 'of the child'); {HELD}""",
    "a trigger before": f"""{KEYED};
        CREATE FUNCTION item_f() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN NEW.name := upper(NEW.name); RETURN NEW; END $$;
        CREATE TRIGGER t BEFORE INSERT OR UPDATE ON item FOR EACH ROW EXECUTE FUNCTION item_f()""",
    "a trigger that drops rows": f"""{KEYED};
        CREATE FUNCTION item_f() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN IF NEW.id = 3 THEN RETURN NULL; END IF; RETURN NEW; END $$;
        CREATE TRIGGER t BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION item_f()""",
    "a trigger of the whole statement": f"""{KEYED};
        CREATE FUNCTION item_f() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN UPDATE item SET name = 'touched' WHERE id = 9 AND name <> 'touched'; RETURN NULL; END $$;
        CREATE TRIGGER t AFTER INSERT OR UPDATE ON item FOR EACH STATEMENT
            WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION item_f()""",
    "a trigger at the commit": f"""{KEYED};
        CREATE FUNCTION item_f() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN UPDATE item SET name = name || '!' WHERE id = 9 AND name !~ '!'; RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER t AFTER INSERT OR UPDATE ON item DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION item_f()""",
    "row level security": f"""{KEYED};
        ALTER TABLE item ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON item USING (id < 5)""",
}


@pytest.fixture
def made(target_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    """Makes a source, and what is in the target before."""
    return Maker(tmp_path, target_url, monkeypatch)


def test_tables_of_any_kind_are_what_they_were(made: Maker) -> None:
    """Written by a job, whatever triggers, partitions and computed columns made of it, each comes back to the byte."""
    settings = made("")
    newest = int(ask(settings, "SHOW server_version_num")[0][0]) >= 180_000
    kinds = [sql for sql in TARGETS.values() if newest or "VIRTUAL" not in sql]
    names = [f"item{number}" for number in range(len(kinds))]
    change_source(settings, "".join(SOURCE.replace("item", name) for name in names))
    ask(settings, *(sql.replace("item", name) for sql, name in zip(kinds, names, strict=True)))
    before = _places(settings, names)
    ended(settings)
    after = _places(settings, names)
    assert [name for name in names if before[name] == after[name]] == []
    rollback(settings, None, dry_run=False)
    assert _places(settings, names) == before


def _places(settings: Settings, names: list[str]) -> dict[str, object]:
    """All that is there, and which partition holds each row."""
    asked = "SELECT tableoid::regclass::text, t::text FROM {} AS t ORDER BY 1, 2"
    return {name: ask(settings, asked.format(name)) for name in names} | {"": dump(settings)}


@pytest.mark.parametrize(
    "options", [{"limit": 3}, {"data_only": True}, {"on_conflict": OnConflict.SKIP}, {"verify": False}]
)
def test_other_options_go_with_it(made: Maker, options: dict[str, object]) -> None:
    """With few rows, into tables that are there alone, without overwriting or comparing: all comes back."""
    settings = made(SOURCE, KEYED)
    before = dump(settings)
    ended(settings, replace(LOGGED, **options))  # type: ignore[arg-type]
    assert dump(settings) != before
    rollback(settings, None, dry_run=False)
    assert dump(settings) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"recreate": True}, "--undo-log and --recreate exclude each other"),
        ({"schema_only": True}, "--undo-log and --schema-only exclude each other"),
    ],
)
def test_options_that_leave_it_without_effect_are_refused(made: Maker, options: dict[str, bool], said: str) -> None:
    """One sentence, from start and from plan, before even a ledger is made."""
    settings = made(SOURCE, KEYED)
    before = dump(settings)
    for ask_for in (
        lambda: ended(settings, replace(LOGGED, **options)),  # type: ignore[arg-type]
        lambda: plan_only(settings, replace(LOGGED, **options), Silent()),  # type: ignore[arg-type]
    ):
        with pytest.raises(OperatorError, match=said):
            ask_for()
    assert dump(settings) == before
    assert ask(settings, "SELECT to_regnamespace('pgconvoy')") == [(None,)]
