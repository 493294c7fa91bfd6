"""Alembic upgrades of the ledger."""
