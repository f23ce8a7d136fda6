"""Procedures, one file each: what trains a trial in the place of model, loss and optimiser."""
