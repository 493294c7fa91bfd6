CREATE TABLE contents (
    id INTEGER PRIMARY KEY,
    last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    named TEXT DEFAULT ('a' || 'b' COLLATE NOCASE),
    truth INTEGER DEFAULT (1 IS NOT NULL AND 2 BETWEEN 1 AND 3),
    chosen INTEGER DEFAULT (2 IN (1, 2)),
    other TEXT DEFAULT (CASE WHEN 'x' LIKE 'X' THEN 'like' ELSE 'unlike' END)
);
INSERT INTO contents (id, last_change) VALUES (1, '2023-01-02T03:04:05.678Z'), (2, '2023-01-02T03:04:05.000Z');
