CREATE TABLE t (id INTEGER PRIMARY KEY, price INTEGER, qty INTEGER, total INTEGER GENERATED ALWAYS AS (price * qty) STORED, label TEXT AS (upper(name)) VIRTUAL, name TEXT, twice AS (total * 2));
INSERT INTO t (id, price, qty, name) VALUES (1, 2, 3, 'abc'), (2, NULL, 1, NULL);
