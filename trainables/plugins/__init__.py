"""Plugins: a user's code in the place of a component, which a study names by where it lies.

source      its source, found and read without being run: what goes into the trial key and travels to workers
config      what the adapters of all kinds have in common; each kind's plugin.py has its own adapter
interfaces  what a plugin is called with
scope       the modules and the state of the process that belong to one trial
loading     importing and checking
rehearsal   some steps on a few examples, twice, in processes of their own (rehearsing), whose calls are compared
            (recording), before anything starts
listing     `grokgrid list --components`
"""
