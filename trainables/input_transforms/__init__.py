"""Input noise: what is added to the inputs of every minibatch. `config.py` holds the settings, without torch."""
