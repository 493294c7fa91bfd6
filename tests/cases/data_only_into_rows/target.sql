CREATE TABLE parent (id integer PRIMARY KEY, name text UNIQUE); INSERT INTO parent VALUES (1, 'uno'), (7, 'three');
CREATE TABLE child (id integer PRIMARY KEY, parent integer REFERENCES parent, n integer CHECK (n > 0)); INSERT INTO child VALUES (1, 7, 1);
