CREATE TABLE "select" ("from" INTEGER PRIMARY KEY, "where" TEXT, "user" TEXT, "order" INT); INSERT INTO "select" VALUES (1, 'a', 'b', 2);
CREATE TABLE "table" ("ctid" INT, "xmin" TEXT, "tableoid" TEXT); INSERT INTO "table" VALUES (1, 'a', 'b');
