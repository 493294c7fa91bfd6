CREATE TABLE tags (tag TEXT NOT NULL PRIMARY KEY COLLATE "UNKNOWN", usn INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO tags VALUES ('marked', 0), ('Ünï', 1), ('Zed', -1), ('apple', 9223372036854775807), ('', 2);
CREATE TABLE fields (type INTEGER, ord INTEGER, name TEXT COLLATE [UNKNOWN], PRIMARY KEY (type, ord)) WITHOUT ROWID;
INSERT INTO fields VALUES (1, 0, 'Front'), (1, 1, 'Back'), (2, 0, 'front');
CREATE UNIQUE INDEX by_name ON fields (name, type);
