"""Triggers in PostgreSQL's terms."""
