CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT); INSERT INTO t VALUES (1, 'plain', 'x'), (2, 'a' || char(0) || 'b', 'y'), (3, char(0), 'z');
