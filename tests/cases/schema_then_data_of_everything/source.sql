CREATE TABLE shop (id INTEGER PRIMARY KEY, best INTEGER REFERENCES item DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE item (id INTEGER PRIMARY KEY AUTOINCREMENT, shop INTEGER NOT NULL REFERENCES shop ON DELETE CASCADE, name TEXT NOT NULL UNIQUE,
  price NUMERIC(8,2) CHECK (price >= 0), double AS (price * 2) STORED, changed TEXT DEFAULT CURRENT_TIMESTAMP);
CREATE INDEX cheap ON item (price) WHERE price < 10;
CREATE VIEW dear AS SELECT name FROM item WHERE price > 1;
CREATE TRIGGER touched AFTER UPDATE ON item BEGIN UPDATE item SET changed = CURRENT_TIMESTAMP WHERE id = NEW.id; END;
CREATE VIRTUAL TABLE found USING fts5(name, content='item', content_rowid='id');
INSERT INTO shop VALUES (1, 2), (2, NULL);
INSERT INTO item (id, shop, name, price, changed) VALUES (1, 1, 'bread', 2.5, '2001-01-01 00:00:00'), (2, 2, 'milk', 1, '2002-02-02 00:00:00'), (3, 1, 'old bread', 0.5, NULL);
INSERT INTO found (found) VALUES ('rebuild');
