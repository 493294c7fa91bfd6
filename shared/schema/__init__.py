"""The source's schema in PostgreSQL's terms."""
