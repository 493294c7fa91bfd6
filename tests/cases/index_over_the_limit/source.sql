CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT, n INT); CREATE INDEX by_body ON t (body); CREATE INDEX by_both ON t (body, n);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO t SELECT 1, group_concat(char(33 + (i * 7919) % 900)), 1 FROM n;
