CREATE TABLE prices (id TEXT PRIMARY KEY, price TEXT, pieces TEXT, weight TEXT);
INSERT INTO prices VALUES ('1', '12.50', '3', '0.25'), ('02', '0.001', ' 4 ', '1e3'), ('3', '12.5055', '5', NULL),
 ('4', 'free', '6', NULL), ('5', '1', '6.0', NULL), ('6', '1', '40000', NULL), ('7', '1', '1', '0.1000000000000000055');
