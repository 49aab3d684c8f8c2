"""A race in words, rows and JSON: what it found, why each method left, and where the time went."""
