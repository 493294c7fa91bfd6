CREATE TABLE t (a TEXT, b BLOB); INSERT INTO t VALUES ('text', x'00ff'), (x'00ff80', 'text in a blob column'), (NULL, NULL);
