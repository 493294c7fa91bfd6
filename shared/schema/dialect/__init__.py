"""SQLite's expressions in PostgreSQL's words, typed, each difference stated."""
