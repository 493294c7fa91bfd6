CREATE TABLE t (id INTEGER PRIMARY KEY, doc TEXT, kind TEXT GENERATED ALWAYS AS (typeof(doc)) STORED, size INTEGER AS (length(hex(doc))));
INSERT INTO t (id, doc) VALUES (1, 'a'), (2, NULL);
