"""Layers below all training: which these are, and their outputs, computed once."""
