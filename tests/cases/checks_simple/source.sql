CREATE TABLE t (id INTEGER PRIMARY KEY, age INTEGER CHECK (age >= 0 AND age < 150), kind TEXT CONSTRAINT kind_known CHECK (kind IN ('a', 'b')), a INT, b INT, CHECK (a <= b), CONSTRAINT "has one" CHECK (a IS NOT NULL OR b IS NOT NULL));
INSERT INTO t VALUES (1, 5, 'a', 1, 2), (2, NULL, NULL, NULL, 1);
