CREATE TABLE badge (id INTEGER PRIMARY KEY, code CHAR(8) UNIQUE, name TEXT);
INSERT INTO badge VALUES (1, 'a', 'one'), (2, 'a ', 'two'), (3, 'b', NULL);
