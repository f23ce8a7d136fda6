"""Models: pure functions of parameters, buffers and inputs. `config.py` holds the settings, without torch."""
