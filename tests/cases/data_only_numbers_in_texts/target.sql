CREATE TABLE prices (id integer PRIMARY KEY, price numeric(10,3), pieces smallint, weight double precision);
