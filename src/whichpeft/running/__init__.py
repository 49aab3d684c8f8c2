"""Runs a study: checks the request, sets it up, then profiles, tunes and runs the final trials.

The package is not called `run`, because that name belongs to the function `whichpeft.run`.
"""
