CREATE TABLE doc (id INTEGER PRIMARY KEY, body TEXT, changed TEXT); INSERT INTO doc VALUES (1, 'a', '2001'), (2, 'b', '2002');
CREATE TABLE audit (what TEXT); INSERT INTO audit VALUES ('as it was');
