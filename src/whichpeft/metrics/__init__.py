"""Metrics of labels and of text, and the same metrics example by example. Needs no torch."""
