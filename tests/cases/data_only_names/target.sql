CREATE TABLE "UserProfile" (id integer PRIMARY KEY, "userId" integer, "lastName" text, first text, "displayName" text, note text DEFAULT 'new');
CREATE TABLE "Order" ("group" integer PRIMARY KEY, profile integer REFERENCES "UserProfile");
