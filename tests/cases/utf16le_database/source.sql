PRAGMA encoding = 'UTF-16le';
CREATE TABLE "größe" (id INTEGER PRIMARY KEY, "naïve" TEXT); INSERT INTO "größe" VALUES (1, 'ünïcödé 😀'), (2, ''), (3, NULL);
