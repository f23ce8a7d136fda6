"""Data sets as arrays: reading them, checking them (content.py has the list of checks), and loading them, once."""
