CREATE TABLE "a table" ("a ""column""" INTEGER, "dot.ted" TEXT, "per%cent" TEXT, "semi;colon" TEXT, "back\slash" TEXT, "dollar$" TEXT, 'single' TEXT, [square] TEXT, `tick` TEXT);
INSERT INTO "a table" VALUES (1, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
