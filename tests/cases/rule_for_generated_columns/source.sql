CREATE TABLE t (id INTEGER PRIMARY KEY, b TEXT, upper TEXT AS (upper(b)), same TEXT AS (b) STORED, n INTEGER AS (id + 1));
INSERT INTO t (b) VALUES ('a' || char(0) || 'x'), (CAST(x'67f6' AS TEXT)), ('plain');
CREATE TABLE event (data TEXT, at INTEGER AS (json_extract(data, '$.at')));
INSERT INTO event (data) VALUES ('{"at": 1700000000}'), ('{}');
