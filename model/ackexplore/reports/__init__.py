"""What an exploration found, for people and for other programs."""
