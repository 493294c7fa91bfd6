CREATE TABLE customers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT UNIQUE,
    name TEXT NOT NULL CHECK (length(name) > 0),
    born DATE,
    active BOOLEAN DEFAULT 1,
    settings JSON DEFAULT '{}' CHECK (json_valid(settings)),
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    updated_at DATETIME DEFAULT (datetime('now', 'localtime')),
    token BLOB DEFAULT (randomblob(16)),
    counter INTEGER DEFAULT 'none',
    score REAL CHECK (abs(score) <= 1e6)
);
CREATE TABLE orders (
    customer INTEGER REFERENCES customers ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    number TEXT,
    placed TEXT,
    net NUMERIC(10,2),
    tax NUMERIC(10,2),
    gross NUMERIC(10,2) GENERATED ALWAYS AS (net + tax) STORED,
    label TEXT GENERATED ALWAYS AS (upper(number)) VIRTUAL,
    month TEXT GENERATED ALWAYS AS (strftime('%Y-%m', placed)) STORED,
    PRIMARY KEY (customer, number),
    FOREIGN KEY (number) REFERENCES shipments (order_number),
    FOREIGN KEY (tax) REFERENCES rates (rate),
    CHECK (placed GLOB '[0-9][0-9][0-9][0-9]-*'),
    CHECK (my_function(number))
);
CREATE TABLE rates (rate NUMERIC, "a name of more than sixty-three bytes, which PostgreSQL would cut silently" TEXT);
CREATE TABLE words (word TEXT PRIMARY KEY, weight) WITHOUT ROWID;
CREATE INDEX orders_placed ON orders (placed DESC);
CREATE INDEX orders_open ON orders (number) WHERE tax IS NULL;
CREATE INDEX customers_name ON customers (lower(name));
CREATE INDEX customers_folded ON customers (name COLLATE NOCASE);
CREATE INDEX customers_sorted ON customers (name COLLATE localized);
CREATE UNIQUE INDEX customers_born ON customers (strftime('%Y', born));
CREATE VIEW totals AS SELECT c.name, sum(o.gross) AS total FROM customers c JOIN orders o ON o.customer = c.id GROUP BY c.id;
CREATE VIEW recent AS SELECT * FROM orders WHERE placed > date('now', '-7 days') ORDER BY placed LIMIT 10;
CREATE VIEW plain AS SELECT id, name FROM customers WHERE active;
CREATE VIEW best AS SELECT name, total FROM totals WHERE total > 100;
CREATE VIEW folded AS SELECT soundex(name) AS sound FROM customers;
CREATE TRIGGER customers_changed AFTER UPDATE ON customers BEGIN
    UPDATE customers SET updated_at = CURRENT_TIMESTAMP WHERE id = NEW.id;
END;
CREATE TRIGGER orders_counted AFTER INSERT ON orders WHEN NEW.net > 0 BEGIN
    UPDATE customers SET counter = counter + 1 WHERE id = NEW.customer;
END;
CREATE TRIGGER orders_kept BEFORE DELETE ON orders BEGIN SELECT raise(ABORT, 'orders are kept'); END;
CREATE TRIGGER customers_told AFTER INSERT ON customers BEGIN SELECT tell_somebody(NEW.id); END;
CREATE VIRTUAL TABLE notes USING fts5 (title, body, tokenize = 'porter');
CREATE VIRTUAL TABLE customers_search USING fts5 (name, content = 'customers', content_rowid = 'id');
CREATE VIRTUAL TABLE gone USING fts5 (body, content = '');
CREATE VIRTUAL TABLE places USING rtree (id, west, east, south, north);
