CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT UNIQUE); CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER, n INTEGER);
INSERT INTO parent VALUES (1, 'one'), (2, 'two'), (3, 'three'); INSERT INTO child VALUES (1, 1, 5), (2, 3, 6), (3, 9, 7), (4, 2, -1);
