"""Gradient filters: what changes a gradient before the optimiser. `config.py` holds the settings, without torch."""
