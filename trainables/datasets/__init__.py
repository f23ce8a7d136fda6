"""Data sets, one file each: settings, where the data lies, and how it is read."""
