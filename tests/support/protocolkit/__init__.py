"""The ledger's protocol as a small model, looked at in every state that it can come to.

`states` says what the model remembers; `steps`, with the modules that it joins, what may happen next; `explore` what is
promised of each state and step; `worlds` how large it is and which faults there are. It shares with the product the
names of the states, the legal moves, and the rule for a table's next step (`shared.ledger.states`, `steps`).

Left out: clocks (a grace of zero, a retry that is due at once), several tables, what rows hold, and the bundles of
small tables, each of whose steps is one of these.
"""
