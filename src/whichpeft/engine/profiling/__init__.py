"""Measures what a method costs: time, memory, inference, energy."""
