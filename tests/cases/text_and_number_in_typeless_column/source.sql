CREATE TABLE t (v); INSERT INTO t VALUES (1), (1.5), ('1'), (x'31'), (NULL), ('');
