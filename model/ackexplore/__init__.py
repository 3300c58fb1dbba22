"""Explores the model: every reachable state, shortest counterexamples, liveness."""
