"""Measures what one method costs: time, memory, inference, energy."""
