CREATE TABLE t (id INTEGER PRIMARY KEY, kind TEXT, n INT); INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'a', 3);
CREATE VIEW a_totals AS SELECT kind, total * 2 AS double FROM z_sums WHERE total > 2; CREATE VIEW z_sums AS SELECT kind, sum(n) AS total, count(*) AS rows FROM t GROUP BY kind;
