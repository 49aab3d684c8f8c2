"""Choosing a method under limits, and what would change the choice."""
