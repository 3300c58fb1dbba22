"""Judging a store by what it shows: events, possible worlds, the contract of a message, the oracle of a store."""
