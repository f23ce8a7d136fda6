"""Gradient filters, one file each: what changes gradients before the optimiser."""
