"""The soak: jobs under a random storm of faults, each checked value by value; the README says how."""
