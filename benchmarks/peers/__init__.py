"""Other programs that bring the same rows into the same server, each timed by its own start and end."""
