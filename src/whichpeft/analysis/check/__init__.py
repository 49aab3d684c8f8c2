"""Checks whether records can be trusted and a comparison is fair."""
