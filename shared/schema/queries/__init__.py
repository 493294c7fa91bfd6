"""SELECTs of SQLite in PostgreSQL's terms, clause by clause."""
