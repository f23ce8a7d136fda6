"""Data sets: arrays in memory, on the device, once. `config.py` holds the settings, without torch."""
