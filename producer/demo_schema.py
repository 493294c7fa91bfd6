"""The tables of the made-up shop: one of each thing that a real application's database may hold."""

from __future__ import annotations

from typing import Final

SHOP_TABLES: Final = """
CREATE TABLE countries (
    code TEXT NOT NULL PRIMARY KEY CHECK (length(code) = 2),
    name TEXT NOT NULL UNIQUE,
    tax_rate DECIMAL(5, 2) NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE categories (
    id INTEGER PRIMARY KEY,
    parent_id INTEGER REFERENCES categories (id),
    name TEXT NOT NULL,
    sort INTEGER NOT NULL DEFAULT 0,
    UNIQUE (parent_id, name)
);

CREATE TABLE customers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid UUID NOT NULL UNIQUE,
    email VARCHAR(120) NOT NULL COLLATE NOCASE,
    full_name TEXT NOT NULL,
    country_code TEXT REFERENCES countries (code) ON UPDATE CASCADE,
    born DATE,
    newsletter BOOLEAN NOT NULL DEFAULT 0,
    preferences JSON,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    last_seen DATETIME
);
CREATE UNIQUE INDEX customers_email ON customers (email);
CREATE INDEX customers_country ON customers (country_code, created_at DESC);

CREATE TABLE products (
    id INTEGER PRIMARY KEY,
    sku VARCHAR(20) NOT NULL UNIQUE,
    title TEXT NOT NULL,
    description TEXT,
    category_id INTEGER NOT NULL REFERENCES categories (id),
    price DECIMAL(10, 2) NOT NULL CHECK (price >= 0),
    weight_kg REAL,
    in_stock BOOLEAN NOT NULL DEFAULT 1,
    attributes JSON NOT NULL DEFAULT '{}',
    added_on DATE NOT NULL
);
CREATE INDEX products_category ON products (category_id);
CREATE INDEX products_in_stock ON products (price) WHERE in_stock = 1;

CREATE TABLE product_images (
    product_id INTEGER NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    media_type TEXT NOT NULL DEFAULT 'image/png',
    content BLOB NOT NULL,
    thumbnail BLOB,
    PRIMARY KEY (product_id, position)
) WITHOUT ROWID;

CREATE TABLE orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    "order" TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL DEFAULT 'new' CHECK (status IN ('new', 'paid', 'sent', 'returned')),
    total DECIMAL(12, 2) NOT NULL,
    placed_at TIMESTAMP NOT NULL,
    paid_at TIMESTAMP,
    note TEXT
);
CREATE INDEX orders_customer ON orders (customer_id, placed_at);

CREATE TABLE order_lines (
    order_id INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    line INTEGER NOT NULL,
    product_id INTEGER NOT NULL REFERENCES products (id),
    quantity INTEGER NOT NULL DEFAULT 1 CHECK (quantity > 0),
    price DECIMAL(10, 2) NOT NULL,
    PRIMARY KEY (order_id, line)
) WITHOUT ROWID;
CREATE INDEX order_lines_product ON order_lines (product_id);

CREATE TABLE "Line Returns" (
    order_id INTEGER NOT NULL,
    line INTEGER NOT NULL,
    returned_on DATE NOT NULL,
    reason TEXT,
    "refund €" DECIMAL(10, 2),
    PRIMARY KEY (order_id, line),
    FOREIGN KEY (order_id, line) REFERENCES order_lines (order_id, line)
);

CREATE TABLE reviews (
    id INTEGER PRIMARY KEY,
    product_id INTEGER NOT NULL REFERENCES products (id),
    customer_id INTEGER REFERENCES customers (id) ON DELETE SET NULL,
    stars SMALLINT NOT NULL CHECK (stars BETWEEN 1 AND 5),
    text TEXT NOT NULL,
    written_at TIMESTAMP NOT NULL
);
CREATE INDEX reviews_product ON reviews (product_id);

CREATE VIRTUAL TABLE reviews_search USING fts5 (text, content = 'reviews', content_rowid = 'id');

CREATE TABLE EVENTS (
    happened_at TIMESTAMP,
    kind TEXT,
    customer_id INTEGER,
    payload JSON,
    duration_ms REAL
);
"""
"""EVENTS has neither a key nor a constraint, as logs often do."""

SHOP_OBJECTS: Final = """
CREATE TRIGGER reviews_added AFTER INSERT ON reviews BEGIN
    INSERT INTO reviews_search (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER reviews_removed AFTER DELETE ON reviews BEGIN
    INSERT INTO reviews_search (reviews_search, rowid, text) VALUES ('delete', old.id, old.text);
END;
CREATE TRIGGER reviews_changed AFTER UPDATE ON reviews BEGIN
    INSERT INTO reviews_search (reviews_search, rowid, text) VALUES ('delete', old.id, old.text);
    INSERT INTO reviews_search (rowid, text) VALUES (new.id, new.text);
END;
CREATE VIEW sales_by_category AS
SELECT c.name AS category, count(DISTINCT l.order_id) AS orders, sum(l.quantity * l.price) AS turnover
FROM order_lines AS l JOIN products AS p ON p.id = l.product_id JOIN categories AS c ON c.id = p.category_id
GROUP BY c.id;
"""
"""Made after the rows: the triggers would slow their writing, and the search index is filled at once."""
