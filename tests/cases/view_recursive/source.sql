CREATE TABLE node (id INTEGER PRIMARY KEY, parent INT, name TEXT); INSERT INTO node VALUES (1, NULL, 'root'), (2, 1, 'leaf'), (3, 2, 'tip');
CREATE VIEW paths AS WITH RECURSIVE p (id, path) AS (SELECT id, name FROM node WHERE parent IS NULL UNION ALL SELECT n.id, p.path || '/' || n.name FROM node n JOIN p ON n.parent = p.id) SELECT * FROM p;
