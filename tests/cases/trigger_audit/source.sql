CREATE TABLE item (id INTEGER PRIMARY KEY, price INT); CREATE TABLE audit (item INT, was INT, now INT, what TEXT);
INSERT INTO item VALUES (1, 5);
CREATE TRIGGER log_update AFTER UPDATE OF price ON item WHEN OLD.price <> NEW.price BEGIN INSERT INTO audit (item, was, now, what) VALUES (NEW.id, OLD.price, NEW.price, 'update'); END;
CREATE TRIGGER log_delete AFTER DELETE ON item BEGIN INSERT INTO audit SELECT OLD.id, OLD.price, NULL, 'delete'; END;
