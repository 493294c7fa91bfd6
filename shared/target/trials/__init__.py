"""Plans tried on PostgreSQL and taken back."""
