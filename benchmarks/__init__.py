"""Measurements against other tools, on one machine in one run."""
