CREATE TABLE users (id integer PRIMARY KEY, name varchar(10) NOT NULL, joined timestamptz, is_admin boolean NOT NULL, score numeric(6,2), extra text DEFAULT 'x');
