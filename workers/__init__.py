"""Does the copying."""
