CREATE TABLE "" ("" INTEGER, "tab	in it" TEXT, "line
feed" TEXT); INSERT INTO "" VALUES (1, 'a', 'b');
CREATE TABLE "bell" (a INT); INSERT INTO "bell" VALUES (1);
