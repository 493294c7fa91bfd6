CREATE TABLE t (id INTEGER PRIMARY KEY, token TEXT DEFAULT (lower(hex(randomblob(16)))), n INTEGER DEFAULT (abs(random())), doc JSON DEFAULT (json('{}')), sum INTEGER DEFAULT (1 + 2 * 3));
