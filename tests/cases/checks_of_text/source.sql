CREATE TABLE t (id INTEGER PRIMARY KEY, email TEXT CHECK (email LIKE '%@%.%'), code TEXT CHECK (code GLOB '[A-Z][0-9]*'), name TEXT CHECK (length(name) BETWEEN 1 AND 5), doc TEXT CHECK (json_valid(doc)));
INSERT INTO t VALUES (1, 'a@b.c', 'A1x', 'ann', '{}');
