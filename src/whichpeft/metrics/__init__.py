"""Metrics of labels and of text, and their values for each example. Imports no torch."""
