"""The best settings of an arm: Optuna proposes candidates, which race over seeds.

race          which candidate gets the next seed, which one is out, which one is best
proposals     the candidates and what became of them, in Optuna's storage; the only module that knows Optuna
objectives    what a trial is worth to the search
searching     the search as a source of trials for a driver, and the claim on fresh seeds at its end
"""
