"""Published results: their tables and figures, and a study's own results beside them."""
