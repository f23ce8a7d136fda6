"""Optimisers. `config.py` holds the settings, without torch."""
