CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, settings TEXT CHECK (settings IS NULL OR json_valid(settings)));
INSERT INTO users VALUES (1, 'Ada', '{"theme": "dark", "size": 12}'), (2, 'Bob', '{}'), (3, 'Eve', NULL);
CREATE VIEW themes AS SELECT *, json_extract(settings, '$.theme') AS theme, settings ->> '$.size' FROM users;
