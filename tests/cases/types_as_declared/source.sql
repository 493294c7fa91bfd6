CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, d DATE, b BOOLEAN, v VARCHAR(3), x NUMERIC(5,2));
INSERT INTO t VALUES (1, 5, '2024-01-01', 1, 'abc', 1.25), (2, 'five', '2024-01-01', 1, 'abc', 1.25), (3, 5, 'soon', 0, 'abc', 2), (4, 5, NULL, 2, 'abc', 3), (5, 5, NULL, NULL, 'abcd', 4), (6, 6, NULL, NULL, 'a', 1.255);
