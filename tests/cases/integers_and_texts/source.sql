CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL, size INT, note TEXT DEFAULT 'none');
INSERT INTO item VALUES (1, 'plain', 3, NULL), (2, '', -9223372036854775808, 'größe'), (7, 'three', 'twelve', '');
CREATE INDEX item_name ON item (name);
