CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, joined TEXT, is_admin INTEGER, score REAL);
INSERT INTO users VALUES (1, 'ann', '2024-01-01 10:00:00', 1, 1.5), (2, 'bob', 'never', 0, 2), (3, 'a name that is too long', NULL, 0, NULL);
