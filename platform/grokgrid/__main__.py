"""`python -m grokgrid`: the command, where it is not on the path."""

from grokgrid.cli import main

main()
