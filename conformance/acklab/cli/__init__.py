"""The commands that the lab adds to `ackcheck` (entry point `ackcheck.commands`): `bugs` and `bench`."""
