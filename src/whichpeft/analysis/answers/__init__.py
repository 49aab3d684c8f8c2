"""How methods answered the test examples: by class, which ones wrong, and how they disagree."""
