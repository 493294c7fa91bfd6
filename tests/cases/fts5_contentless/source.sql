CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE VIRTUAL TABLE idx USING fts5(body, content = ''); INSERT INTO idx (rowid, body) VALUES (1, 'lost words');
