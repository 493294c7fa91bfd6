CREATE TABLE t (id INTEGER PRIMARY KEY, kept TEXT, gone TEXT, lost TEXT); INSERT INTO t VALUES (1, 'a', 'b', 'c');
