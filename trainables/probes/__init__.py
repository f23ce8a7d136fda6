"""Probes, one file each: what is measured of a network at an evaluation."""
