CREATE TABLE UserProfile (id INTEGER PRIMARY KEY, userId INTEGER, last_name TEXT, First TEXT, nick TEXT, cache BLOB);
INSERT INTO UserProfile VALUES (1, 7, 'Lee', 'Ann', 'al', x'00');
CREATE TABLE "order" ("group" INTEGER PRIMARY KEY, profile INTEGER REFERENCES UserProfile);
INSERT INTO "order" VALUES (1, 1);
