"""A simulated fleet: planning, ledger and queue for real, copying replaced by nothing."""
