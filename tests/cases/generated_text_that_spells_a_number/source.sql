CREATE TABLE t (
    id INTEGER PRIMARY KEY,
    code TEXT,
    start STRING GENERATED ALWAYS AS (substr(code, 1, 2)) STORED,
    rest STRING GENERATED ALWAYS AS (substr(code, 3)) STORED,
    whole TEXT GENERATED ALWAYS AS (substr(code, 1, 2)) STORED
);
INSERT INTO t (id, code) VALUES (1, '06xy'), (2, 'abcd'), (3, NULL);
