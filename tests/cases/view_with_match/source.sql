CREATE VIRTUAL TABLE docs USING fts5(title, body);
INSERT INTO docs VALUES ('first', 'a red house'), ('second', 'a blue door');
CREATE VIEW by_table AS SELECT title FROM docs WHERE docs MATCH 'red';
CREATE VIEW by_column AS SELECT title FROM docs WHERE body MATCH 'blue' AND rowid > 0;
CREATE VIEW all_of_it AS SELECT rowid, title || ': ' || body AS text FROM docs;
