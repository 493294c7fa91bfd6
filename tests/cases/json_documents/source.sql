CREATE TABLE t (a JSON, b JSON, c JSON, d JSON);
INSERT INTO t VALUES ('{"a": [1, 2.50, null]}', '{"a": 1, "a": 2}', '{"a": ', '"\u0000"'), ('[]', '[1]', '{}', '{}'), (NULL, NULL, NULL, NULL);
