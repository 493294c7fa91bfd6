CREATE TABLE post (id INTEGER PRIMARY KEY, title TEXT, body TEXT); INSERT INTO post VALUES (1, 'One', 'first words'), (2, 'Two', 'second words');
CREATE VIRTUAL TABLE post_fts USING fts5(title, body, content = 'post', content_rowid = 'id'); INSERT INTO post_fts (post_fts) VALUES ('rebuild');
CREATE TRIGGER post_ai AFTER INSERT ON post BEGIN INSERT INTO post_fts (rowid, title, body) VALUES (new.id, new.title, new.body); END;
CREATE TRIGGER post_ad AFTER DELETE ON post BEGIN INSERT INTO post_fts (post_fts, rowid, title, body) VALUES ('delete', old.id, old.title, old.body); END;
