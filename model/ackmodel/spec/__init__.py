"""What is right: stages, states, steps, rules, faults, and the clauses as invariants."""
