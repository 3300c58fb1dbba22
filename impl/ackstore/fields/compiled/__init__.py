"""The attributes and the loops in C: made by `hatch_build.py`, where a C compiler is there."""
