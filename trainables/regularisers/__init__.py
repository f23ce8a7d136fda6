"""Regularisers: terms added to the loss. `config.py` holds the settings, without torch."""
