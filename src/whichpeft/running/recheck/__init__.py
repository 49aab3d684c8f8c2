"""Reads what an old run folder was made from again, and compares it with the records."""
