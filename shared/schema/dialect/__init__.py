"""SQLite's SQL in PostgreSQL's words: expressions and SELECT statements, typed, each difference stated."""
