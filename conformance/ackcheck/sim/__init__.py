"""The simulated grade: a disk, a clock and a scheduler in which every I/O completion is a step."""
