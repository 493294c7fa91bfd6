CREATE TABLE t (id integer PRIMARY KEY, old text); INSERT INTO t VALUES (9, 'old');
