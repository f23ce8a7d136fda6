"""Regularisers, one file each: terms that are added to the loss."""
