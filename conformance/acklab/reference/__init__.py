"""The reference store as a target of the suite, on real files and in the simulation."""
