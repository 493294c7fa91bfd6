CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, a INT, b INT, doc TEXT); INSERT INTO t VALUES (1, 'Ann', 1, 2, '{"k": 1}');
CREATE INDEX by_lower ON t (lower(name)); CREATE UNIQUE INDEX by_sum ON t (a + b, name COLLATE NOCASE); CREATE INDEX by_doc ON t (json_extract(doc, '$.k')); CREATE INDEX by_day ON t (date(name));
