"""Decides what to copy and asks for it."""
