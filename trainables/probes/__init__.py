"""Probes: what is measured at an evaluation. `config.py` holds the settings, without torch."""
