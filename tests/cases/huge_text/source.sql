CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT, raw BLOB);
INSERT INTO t VALUES (1, replace(hex(zeroblob(1000000)), '0', 'x'), NULL), (2, NULL, zeroblob(2000000)), (3, 'short', x'00');
