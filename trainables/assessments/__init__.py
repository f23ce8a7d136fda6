"""Assessments: measurements of a trained network, example by example."""
