"""Views of SQLite and their translations, asked for the same rows by both databases."""

# ruff: noqa: E501 - a statement of SQL reads better whole
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from twinkit import Twins

from shared.records.plan import Grade

_TABLES = """
CREATE TABLE Author (Id INTEGER PRIMARY KEY, Name TEXT NOT NULL, Born INTEGER, Boss INTEGER REFERENCES Author (Id));
CREATE TABLE Book (Id INTEGER PRIMARY KEY, AuthorId INTEGER, Title TEXT, Price REAL, Sold INTEGER, InPrint BOOLEAN);
CREATE TABLE Tag (BookId INTEGER, Word TEXT COLLATE NOCASE, PRIMARY KEY (BookId, Word)) WITHOUT ROWID;
INSERT INTO Author VALUES (1, 'anna', 1950, NULL), (2, 'Ben', NULL, 1), (3, 'Émile', 1970, 1), (4, 'Zoë', 1970, 3);
INSERT INTO Book VALUES
  (1, 1, 'One', 9.5, 3, 1), (2, 1, 'two', 20.25, NULL, 0), (3, 2, 'Two', 1.0, 7, 1), (4, NULL, NULL, NULL, 0, NULL),
  (5, 3, 'ähnlich', 5.5, 3, 1), (6, 99, 'Zwei', 2.0, 1, 0);
INSERT INTO Tag VALUES (1, 'Red'), (1, 'blue'), (3, 'RED'), (5, 'green');
"""

_VIEWS = {
    "columns": "SELECT Title, Price AS p, Book.Sold, b.* FROM Book, Author AS b WHERE b.Id = AuthorId",
    "star": "SELECT * FROM Book",
    "unnamed": "SELECT upper(Title), Sold + 1, 'x', NULL FROM Book",
    "same names": "SELECT a.Id, b.Id FROM Author a JOIN Book b ON b.AuthorId = a.Id",
    "left": "SELECT a.Name, b.Title FROM Author a LEFT JOIN Book b ON b.AuthorId = a.Id",
    "left and where": "SELECT a.Name FROM Author a LEFT JOIN Book b ON b.AuthorId = a.Id WHERE b.Id IS NULL",
    "right": "SELECT a.Name, b.Title FROM Author a RIGHT JOIN Book b ON b.AuthorId = a.Id",
    "full": "SELECT a.Name, b.Title FROM Author a FULL JOIN Book b ON b.AuthorId = a.Id",
    "using": "SELECT * FROM Author JOIN Book USING (Id)",
    "using and one side": "SELECT b.*, Author.Id AS a FROM Author JOIN Book b USING (Id)",
    "using unqualified": "SELECT Id, Name FROM Author LEFT JOIN Book USING (Id) WHERE Id > 1",
    "full using": "SELECT * FROM (SELECT Id, Name FROM Author) FULL JOIN (SELECT Id, Title FROM Book) USING (Id)",
    "right using": "SELECT Id, Title FROM (SELECT Id, Name FROM Author) RIGHT JOIN Book USING (Id)",
    "natural": "SELECT * FROM (SELECT Id, Name FROM Author) NATURAL JOIN (SELECT Id, Title FROM Book)",
    "natural without": "SELECT * FROM (SELECT Name FROM Author) NATURAL JOIN (SELECT Title FROM Book)",
    "cross": "SELECT count(*) AS n FROM Author CROSS JOIN Book",
    "three": "SELECT a.Name, b.Title, t.Word FROM Author a, Book b INNER JOIN Tag t ON t.BookId = b.Id AND b.AuthorId = a.Id",
    "parentheses": "SELECT a.Name, b.Title FROM Author a LEFT JOIN (Book b JOIN Tag t ON t.BookId = b.Id) ON b.AuthorId = a.Id",
    "twice": "SELECT x.Name, y.Name AS boss FROM Author x JOIN Author y ON x.Boss = y.Id",
    "alias in where": "SELECT Title, Sold * 2 AS twice FROM Book WHERE twice > 5",
    "alias hides no column": "SELECT Id + 10 AS Sold FROM Book WHERE Sold = 3",
    "quoted text": 'SELECT "no such column" AS t, Id FROM Book WHERE Title = "One"',
    "rowid": "SELECT rowid, oid, Title FROM Book",
    "group": "SELECT AuthorId, count(*) AS n, sum(Sold) AS s, max(Title) AS m FROM Book GROUP BY AuthorId",
    "group by position": "SELECT InPrint, count(*) AS n FROM Book GROUP BY 1",
    "group by alias": "SELECT Sold % 2 AS odd, count(*) AS n FROM Book GROUP BY odd",
    "group by constant": "SELECT count(*) AS n FROM Book GROUP BY 'x'",
    "grouped by key": "SELECT a.Id, a.Name, a.Born, count(b.Id) AS n FROM Author a LEFT JOIN Book b ON b.AuthorId = a.Id GROUP BY a.Id",
    "grouped by what follows": "SELECT b.Id, a.Name, count(*) AS n FROM Book b JOIN Author a ON a.Id = b.AuthorId GROUP BY b.Id",
    "grouped by what follows on the left": "SELECT b.Id, a.Name, count(*) AS n FROM Book b LEFT JOIN Author a ON a.Id = b.AuthorId GROUP BY b.Id",
    "having": "SELECT AuthorId, count(*) AS n FROM Book GROUP BY AuthorId HAVING n > 1",
    "aggregate alone": "SELECT count(*) AS n, avg(Price) AS p FROM Book",
    "filter": "SELECT count(*) FILTER (WHERE InPrint) AS n FROM Book",
    "distinct": "SELECT DISTINCT Sold FROM Book",
    "distinct in order": "SELECT DISTINCT Title FROM Book ORDER BY Title DESC",
    "order": "SELECT Title FROM Book ORDER BY Title",
    "order descending": "SELECT Title, Sold FROM Book ORDER BY Sold DESC, Title",
    "order by nothing shown": "SELECT Title FROM Book ORDER BY Price",
    "order nulls last": "SELECT Title FROM Book ORDER BY Sold NULLS LAST, Id",
    "order nocase": "SELECT Title FROM Book ORDER BY Title COLLATE NOCASE, Id",
    "order by position": "SELECT Id, Title FROM Book ORDER BY 2, 1",
    "order by alias": "SELECT -Id AS Title FROM Book ORDER BY Title",
    "order by expression of alias": "SELECT Id AS i FROM Book ORDER BY -i",
    "order by boolean": "SELECT Id, InPrint FROM Book ORDER BY InPrint, Id DESC",
    "limit": "SELECT Id FROM Book ORDER BY Id LIMIT 2",
    "limit with offset": "SELECT Id FROM Book ORDER BY Id LIMIT 2, 3",
    "no limit": "SELECT Id FROM Book ORDER BY Id LIMIT -1 OFFSET 4",
    "union": "SELECT Name FROM Author UNION SELECT Title FROM Book",
    "union all": "SELECT Id, Name FROM Author UNION ALL SELECT Id, Title FROM Book",
    "left to right": "SELECT Id FROM Author UNION ALL SELECT Id FROM Book EXCEPT SELECT 1 UNION ALL SELECT 2",
    "intersect after union": "SELECT Id FROM Author UNION SELECT Id FROM Book INTERSECT SELECT 5",
    "intersect": "SELECT Id FROM Author INTERSECT SELECT Sold FROM Book",
    "except": "SELECT Id FROM Book EXCEPT SELECT Sold FROM Book",
    "ordered union": "SELECT Name AS n FROM Author UNION SELECT Title FROM Book ORDER BY n",
    "ordered by the second name": "SELECT Name FROM Author UNION ALL SELECT Title AS t FROM Book ORDER BY t DESC LIMIT 4",
    "union with nulls": "SELECT Id, NULL AS x FROM Author UNION ALL SELECT Id, Price FROM Book",
    "union of number types": "SELECT Id FROM Author UNION ALL SELECT Price FROM Book UNION ALL SELECT InPrint FROM Book",
    "values": "VALUES (1, 'a'), (2, NULL)",
    "values in from": "SELECT column2 FROM (VALUES (1, 'a'), (2, 'b')) WHERE column1 = 2",
    "with": "WITH w AS (SELECT Id, Title FROM Book WHERE Sold > 1), v(x) AS (SELECT Title FROM w) SELECT x FROM v",
    "with hides a table": "WITH Author(n) AS (VALUES (42)) SELECT n FROM Author",
    "recursive": "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5) SELECT n FROM c",
    "recursive without the word": "WITH c(n) AS (VALUES (1) UNION ALL SELECT n * 2 FROM c WHERE n < 100) SELECT n FROM c",
    "tree": """WITH RECURSIVE t(Id, Name, Depth) AS (SELECT Id, Name, 0 FROM Author WHERE Boss IS NULL
        UNION ALL SELECT a.Id, a.Name, Depth + 1 FROM Author a JOIN t ON a.Boss = t.Id) SELECT * FROM t""",
    "path": """WITH RECURSIVE t(Id, Path) AS (SELECT Id, Name FROM Author WHERE Boss IS NULL
        UNION ALL SELECT a.Id, t.Path || '/' || a.Name FROM t, Author a WHERE a.Boss = t.Id) SELECT * FROM t""",
    "scalar subquery": "SELECT Title FROM Book WHERE Price > (SELECT avg(Price) FROM Book)",
    "correlated": "SELECT Name, (SELECT count(*) FROM Book WHERE AuthorId = Author.Id) AS n FROM Author",
    "correlated twice": "SELECT Name FROM Author a WHERE EXISTS (SELECT 1 FROM Book b WHERE AuthorId = a.Id AND EXISTS (SELECT 1 FROM Tag WHERE BookId = b.Id AND b.Sold > a.Id))",
    "exists": "SELECT Name FROM Author WHERE EXISTS (SELECT * FROM Book WHERE AuthorId = Author.Id)",
    "not exists": "SELECT Name FROM Author a WHERE NOT EXISTS (SELECT 1 FROM Book WHERE AuthorId = a.Id)",
    "in": "SELECT Title FROM Book WHERE AuthorId IN (SELECT Id FROM Author WHERE Born = 1970)",
    "not in": "SELECT Name FROM Author WHERE Id NOT IN (SELECT Sold FROM Book WHERE Sold IS NOT NULL)",
    "in values": "SELECT Name FROM Author WHERE Id IN (VALUES (1), (3))",
    "subquery": "SELECT s.n FROM (SELECT AuthorId, count(*) AS n FROM Book GROUP BY AuthorId) AS s WHERE s.AuthorId = 1",
    "unnamed subquery": "SELECT n FROM (SELECT count(*) AS n FROM Book)",
    "indexed": "SELECT Title FROM Book NOT INDEXED WHERE Id = 1",
    "window": "SELECT Id, row_number() OVER (PARTITION BY InPrint ORDER BY Id) AS r FROM Book",
    "named window": "SELECT Id, sum(Id) OVER w AS s FROM Book WINDOW w AS (ORDER BY Id)",
    "window over text": "SELECT Id, rank() OVER (ORDER BY Title) AS r FROM Book",
    "case": "SELECT Title, CASE WHEN Sold > 2 THEN 'many' WHEN Sold IS NULL THEN 'unknown' ELSE 'few' END AS c FROM Book",
    "main": "SELECT main.Book.Title FROM main.Book",
    "view of views": 'SELECT p * 2 AS p2, "same names"."Id:1" FROM columns JOIN "same names" ON "same names"."Id:1" = columns.Id',
}


@pytest.fixture(scope="module")
def twins(postgres_server: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """All views on both sides."""
    views = "".join(f'CREATE VIEW "{name}" AS {sql};\n' for name, sql in reversed(_VIEWS.items()))
    with postgres_server.fresh_database() as url:  # type: ignore[attr-defined]
        both = Twins(_TABLES + views, tmp_path_factory.mktemp("views"), url)
        yield both
        both.close()


@pytest.mark.parametrize("view", _VIEWS)
def test_views_give_the_same_rows(twins: Twins, view: str) -> None:
    """A view that is translated gives the rows that SQLite gives, in its order where it has one."""
    assert twins.grade(view).grade is not Grade.REFUSED, twins.grade(view).reason
    assert twins.refusals.get(view.lower(), "") == ""
    ours, theirs = twins.both(f'SELECT * FROM "{view}"', f'SELECT * FROM "{view.lower()}"')
    if "ORDER BY" not in _VIEWS[view] or "OVER" in _VIEWS[view]:
        ours, theirs = sorted(ours, key=repr), sorted(theirs, key=repr)
    assert theirs == ours
    names = [row[1] for row in twins.source.execute(f'PRAGMA table_info("{view}")')]
    listed = twins.both(
        "SELECT 1", f"SELECT attname FROM pg_attribute WHERE attrelid = '\"{view.lower()}\"'::regclass ORDER BY attnum"
    )
    assert [name for (name,) in listed[1]] == [name.lower() for name in names]


_REFUSED = {
    "SELECT AuthorId, Title, count(*) FROM Book GROUP BY AuthorId": "the column Title stands beside aggregates",
    "SELECT Title, max(Price) FROM Book": "the column Title stands beside aggregates",
    "SELECT * FROM nowhere": "it reads nowhere, which does not exist in the source",
    "SELECT absent FROM Book": "SQLite itself cannot read it: no such column: absent",
    "SELECT Id FROM Book, Author": "SQLite itself cannot read it: ambiguous column name: Id",
    "SELECT * FROM sqlite_master": "a table of SQLite's own",
    "SELECT value FROM json_each('[1]')": "the table function json_each",
    "SELECT a.Name FROM Author a FULL JOIN Book b ON b.AuthorId < a.Id": "FULL JOIN for equality alone",
    "WITH c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 3) SELECT n FROM c": "ORDER BY or LIMIT",
    'SELECT * FROM "refused first"': "which is refused",
    "SELECT no_such_function(Id) FROM Book": "no_such_function",
}


def test_refused_views_say_why(tmp_path: Path, target_url: str) -> None:
    """A view without a translation is refused with the reason and its SQL; the others are made."""
    script = 'CREATE VIEW "refused first" AS SELECT random_blob(Id) AS r FROM Book;\n' + "".join(
        f'CREATE VIEW "v{number}" AS {sql};\n' for number, sql in enumerate(_REFUSED)
    )
    both = Twins(_TABLES + script + "CREATE VIEW good AS SELECT Id FROM Book;", tmp_path, target_url)
    assert both.grade("good").grade is Grade.EXACT
    for number, (sql, reason) in enumerate(_REFUSED.items()):
        grade = both.grade(f"v{number}")
        assert grade.grade is Grade.REFUSED
        assert reason in grade.reason, sql
        assert f'recreate it by hand: CREATE VIEW "v{number}" AS {sql}' in grade.reason
    both.close()


def test_views_keep_the_case_of_names(tmp_path: Path, target_url: str) -> None:
    """With --identifiers preserve a view and its columns are named as in the source."""
    both = Twins(
        _TABLES + "CREATE VIEW Both AS SELECT Id, Title AS Heading FROM Book;",
        tmp_path,
        target_url,
        preserve_identifiers=True,
    )
    ours, theirs = both.both('SELECT "Id", "Heading" FROM "Both" ORDER BY "Id"')
    assert theirs == ours
    both.close()
