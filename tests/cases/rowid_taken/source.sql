CREATE TABLE t (rowid TEXT, oid TEXT, _rowid_ TEXT, v INT); INSERT INTO t VALUES ('a', 'b', 'c', 1), ('a', 'b', 'c', 1), (NULL, NULL, NULL, NULL);
