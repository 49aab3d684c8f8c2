"""Trains several trials of one method as one model."""
