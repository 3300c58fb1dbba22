"""The fast path in Python: the one source of its rules, and what they stand on where nothing is compiled."""
