"""Published results: their tables and figures, also together with a study's own results."""
