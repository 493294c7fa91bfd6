CREATE TABLE t (a INT, b REAL, c TEXT, d BLOB, e ANY) STRICT; INSERT INTO t VALUES (1, 2, '3', x'04', 'five'), (2, 2.5, '', x'', 6), (NULL, NULL, NULL, NULL, '6');
