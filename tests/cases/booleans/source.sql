CREATE TABLE t (a BOOLEAN, b BOOLEAN, c BOOL, d BOOLEAN);
INSERT INTO t VALUES (1, 'true', 2, 1), (0, 'F', 0, 'yes'), (NULL, 'on', 1, NULL);
