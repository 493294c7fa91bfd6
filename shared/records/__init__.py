"""Frozen records that cross the borders between modules."""
