"""Parts of one's own: a model, data set, regulariser, filter, loss or probe that a study names by where it lies.

source      its source, found and read without being run: what goes into the trial key and travels to workers
config      the base of their settings
loading     importing and checking; `interfaces.py` says what each kind is called with
rehearsal   one update on a few images, before anything starts
"""
