"""The durable memory of every job, kept in the target and committed with the data."""
