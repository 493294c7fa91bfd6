"""Where rows go: PostgreSQL."""
