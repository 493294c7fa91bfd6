CREATE TABLE t (a TEXT, b INTEGER, v REAL, PRIMARY KEY (a, b DESC)) WITHOUT ROWID; INSERT INTO t VALUES ('x', 1, 0.5), ('x', 2, 1.5), ('y', -1, NULL), ('', 0, 1);
