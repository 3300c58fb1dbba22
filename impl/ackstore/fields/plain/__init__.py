"""The attributes and the loops in Python: what is run where nothing is compiled."""
