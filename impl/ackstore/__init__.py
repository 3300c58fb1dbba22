"""The reference store."""
