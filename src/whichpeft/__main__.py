"""Lets ``python -m whichpeft`` stand for the command."""

from whichpeft.cli.app import main

if __name__ == "__main__":
    main()
