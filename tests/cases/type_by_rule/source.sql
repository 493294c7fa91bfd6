CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT, ip TEXT); INSERT INTO t VALUES (1, 'ab', '10.0.0.1'), (2, 'abcdef', 'fe80::1'), (3, 'c', 'nowhere');
