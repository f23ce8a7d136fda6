"""Probes: what is measured at a look. `config.py` holds the settings, without torch."""
