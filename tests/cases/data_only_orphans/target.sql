CREATE TABLE parent (id integer PRIMARY KEY);
CREATE TABLE child (id integer PRIMARY KEY, a integer CONSTRAINT to_a REFERENCES parent, b integer CONSTRAINT to_b REFERENCES parent);
