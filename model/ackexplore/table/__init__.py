"""The table engine: packed states in compiled loops, for configurations of many millions of states."""
