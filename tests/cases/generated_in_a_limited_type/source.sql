CREATE TABLE t (
    id INTEGER PRIMARY KEY,
    name TEXT,
    loud CHAR(4) GENERATED ALWAYS AS (upper(name)) STORED,
    token VARCHAR(32) DEFAULT (lower(hex(randomblob(16))))
);
INSERT INTO t (id, name, token) VALUES (1, 'longer', 'a'), (2, 'word', 'b'), (3, NULL, NULL);
