"""The store as a state machine: no I/O, no threads, no clock."""
