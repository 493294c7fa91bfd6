"""The operator's rules: read, checked, and what they come to."""
