"""Long hunts, each a program of its own: what `make test` does for a moment, for as long as one likes."""
