CREATE TABLE contacts (id INTEGER PRIMARY KEY, display_name TEXT, sort_key TEXT COLLATE UNKNOWN, starred REAL);
INSERT INTO contacts VALUES (1, 'Ada', 'ada', 1), (2, 'Bob', NULL, 0.5), (3, 'Çelik', 'celik', NULL), (4, 'x', '', 2);
CREATE INDEX by_sort_key ON contacts (sort_key);
