CREATE TABLE t (
    id INTEGER PRIMARY KEY,
    mixed,
    label TEXT GENERATED ALWAYS AS (mixed || 'x') STORED,
    whole INTEGER,
    shown TEXT GENERATED ALWAYS AS (whole || 'x') STORED
);
INSERT INTO t (id, mixed, whole) VALUES (1, -5.0345509243166834e+235, 7), (2, 'word', NULL), (3, 0.1, -1);
