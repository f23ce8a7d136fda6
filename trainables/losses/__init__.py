"""Losses, one file each: what training minimises, without regularisers."""
