CREATE TABLE t (id INTEGER PRIMARY KEY, content, name);
INSERT INTO t VALUES (1, CAST(x'67f6' AS TEXT), CAST(x'67f6' AS TEXT)), (2, x'00ff', 'plain'), (3, CAST(x'610062' AS TEXT), 'word');
