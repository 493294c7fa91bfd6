CREATE TABLE runs (id INTEGER PRIMARY KEY, took);
INSERT INTO runs VALUES (1, 5400000000), (2, '01:30:00'), (3, 'P1DT2H'), (4, '90'), (5, 1.5), (6, 'long'), (7, NULL);
