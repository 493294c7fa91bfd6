CREATE TABLE t (id integer PRIMARY KEY, a text, owner integer NOT NULL, b text, c text NOT NULL DEFAULT '', d serial, e integer GENERATED ALWAYS AS (id + 1) STORED);
