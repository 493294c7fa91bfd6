CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER CHECK (typeof(n) = 'integer'), s TEXT CHECK (typeof(s) IN ('text', 'null'))); INSERT INTO t VALUES (1, 5, 'x');
