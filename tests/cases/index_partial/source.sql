CREATE TABLE t (id INTEGER PRIMARY KEY, email TEXT, deleted BOOLEAN, n INT); INSERT INTO t VALUES (1, 'a', 0, 1), (2, 'a', 1, 2), (3, 'b', NULL, 3);
CREATE UNIQUE INDEX live_email ON t (email) WHERE deleted = 0; CREATE INDEX big ON t (n) WHERE n > 1 AND email IS NOT NULL;
