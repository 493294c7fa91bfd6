CREATE TABLE things (id INTEGER PRIMARY KEY, mood TEXT, tags TEXT, span TEXT, ip TEXT, uid CHAR(32), doc TEXT, raw BLOB, age INTEGER, flag BOOL);
INSERT INTO things VALUES
 (1, 'good', '{a,"b c"}', '[1,5)', '10.0.0.1', '6ba7b8109dad11d180b400c04fd430c8', '{"b": 1, "a": 2}', x'00ff', 5, 1),
 (2, 'bad', '["json"]', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
 (3, 'Good', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
 (4, NULL, NULL, '1-5', NULL, NULL, NULL, NULL, NULL, NULL),
 (5, NULL, NULL, NULL, '10.0.0.256', NULL, NULL, NULL, NULL, NULL),
 (6, NULL, NULL, NULL, NULL, 'none', NULL, NULL, NULL, NULL),
 (7, NULL, NULL, NULL, NULL, NULL, '{"a": 1, "a": 2}', NULL, NULL, NULL),
 (8, NULL, NULL, NULL, NULL, NULL, NULL, 'text', 200, 't'),
 (9, NULL, NULL, NULL, '2001:DB8::1', NULL, NULL, NULL, NULL, 2),
 (10, 'bad', '{}', 'empty', '10.0.0.0/8', NULL, '[]', x'', 0, 0);
