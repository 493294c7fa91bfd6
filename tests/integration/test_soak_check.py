"""What the soak's check sees: nothing wrong in a good copy, and every damage."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
from casekit import inline_workforce
from casekit.running import Silent
from fleetkit import TestPostgres
from pydantic import SecretStr
from soak import check
from soak.source import make_soak_source

from producer import starting
from producer.records import JobEnd
from shared.records.plan import JobOptions
from shared.settings import Settings


class Copied:
    """A small source and its copy."""

    def __init__(self, source: Path, url: str, job: int) -> None:
        self.source, self.url, self.job = source, url, job

    def findings(self, exit_code: int = 1) -> list[str]:
        """What the check says."""
        return check.findings(str(self.source), self.url, "public", self.job, exit_code, list(check.COLUMNS))


@pytest.fixture(scope="module")
def _copied(postgres_server: TestPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copied]:
    folder = tmp_path_factory.mktemp("soak")
    source = make_soak_source(folder / "source.db", seed=3, share=0.03)
    with postgres_server.fresh_database() as url, pytest.MonkeyPatch.context() as patch:
        patch.setattr(starting, "open_workforce", inline_workforce)
        settings = Settings(source_url=SecretStr(str(source)), target_url=SecretStr(url), home=folder, workers=1)
        end = starting.start(settings, JobOptions(chunk_bytes=50_000), Silent())
        assert isinstance(end, JobEnd)
        yield Copied(source, url, end.progress.job)


@pytest.fixture
def copied(_copied: Copied, postgres_server: TestPostgres) -> Iterator[Copied]:
    """A copy that a test may damage."""
    with postgres_server.fresh_database(urlsplit(_copied.url).path.removeprefix("/")) as url:
        yield Copied(_copied.source, url, _copied.job)


def test_a_good_copy_has_no_findings(copied: Copied) -> None:
    """All values, rejects, keys and records are as they must be; with another exit code they are not."""
    assert copied.findings() == []
    (found,) = copied.findings(exit_code=0)
    assert "exit code 0" in found


@pytest.mark.parametrize(
    ("damage", "seen"),
    [
        ("UPDATE people SET ratio = 0.10000000000000002 WHERE id = (SELECT min(id) FROM people)", "people: the target"),
        ("UPDATE files SET body = body || 'x' WHERE id = 7", "files: the target"),
        ("UPDATE colours SET name = 'Colour 5' WHERE id = 5", "colours: the target"),
        ("DELETE FROM lines WHERE ctid = (SELECT max(ctid) FROM lines)", "lines: the target lacks"),
        ("INSERT INTO lines SELECT * FROM lines LIMIT 1", "lines: the target has a row too many"),
        ("DELETE FROM pgconvoy.rejects WHERE id = (SELECT max(id) FROM pgconvoy.rejects)", "dirty: no reject"),
        ("UPDATE pgconvoy.rejects SET raw = raw || 'x'", "dirty: a reject that should not be"),
        ("ALTER TABLE visits DROP CONSTRAINT visits_pkey", "visits: 0 unique indexes"),
        ("ALTER TABLE visits DROP CONSTRAINT visits_person_fkey", "visits: valid foreign keys"),
        ("UPDATE pgconvoy.chunks SET state = 'copied' WHERE id = 3", "a chunk is not verified"),
        ("UPDATE pgconvoy.chunks SET rejects = rejects + 1 WHERE id = 3", "a chunk's rejects"),
        ("UPDATE pgconvoy.chunks SET key_range = jsonb_set(key_range, '{to}', '[{\"integer\": \"3\"}]')", "the key"),
        ("DELETE FROM pgconvoy.chunks WHERE number = 2", "rows of chunks"),
        ("UPDATE pgconvoy.tables SET mismatches = 1 WHERE id = 2", "a table of the job has not completed"),
        ("UPDATE pgconvoy.jobs SET state = 'completed'", "job 1 is completed"),
    ],
)
def test_a_damage_is_found(copied: Copied, damage: str, seen: str) -> None:
    """A changed value, a lost or doubled row, a missing key or a wrong record has its finding."""
    with closing(psycopg2.connect(copied.url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(damage)
    assert [line for line in copied.findings() if line.startswith(seen)]


def test_the_check_shares_no_code_with_the_project() -> None:
    """It imports the standard library and PostgreSQL's client, and nothing else."""
    tree = ast.parse(Path(check.__file__).read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} - sys.stdlib_module_names == {"psycopg2"}
