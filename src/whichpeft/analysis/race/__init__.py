"""A race between methods: which arms continue, which are tested, and what the screening was worth.

Everything here is computed from readings and from the stages before, so that any process, and a replay
of recorded curves, comes to the same decisions.
"""
