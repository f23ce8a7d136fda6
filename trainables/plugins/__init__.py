"""Plugins: a model, data set, regulariser, filter, loss or probe that a study names by where it lies.

source      its source, found and read without being run: what goes into the trial key and travels to workers
config      the base of their settings
loading     importing and checking; `interfaces.py` says what each kind is called with
scope       modules and process state of one trial
rehearsal   a few steps on a few examples, twice, before anything starts; `rehearsing.py` runs in its processes and
            `recording.py` records what parts are called with
"""
