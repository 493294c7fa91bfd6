CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, -5), (2, -6), (3, 7);
PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER CHECK (n > 0))' WHERE name = 't'; PRAGMA writable_schema = OFF;
