CREATE TABLE moments (id integer PRIMARY KEY, tz timestamptz, ts timestamp(3), d date, t time);
