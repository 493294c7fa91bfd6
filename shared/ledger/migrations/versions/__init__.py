"""Upgrades of the ledger, one file each."""
