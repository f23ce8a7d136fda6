"""Losses. `config.py` holds the settings, without torch."""
