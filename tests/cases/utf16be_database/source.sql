PRAGMA encoding = 'UTF-16be';
CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'ünïcödé 😀'), (2, CAST(x'd83d0041' AS TEXT)), (3, 'after');
