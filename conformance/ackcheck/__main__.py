"""`python -m ackcheck` is the command `ackcheck`."""

from ackcheck.cli import main

if __name__ == "__main__":
    main(prog_name="ackcheck")
