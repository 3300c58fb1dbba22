"""The acknowledgement protocol as code: states, steps, faults, invariants and the contract."""
