"""Tables for the terminal and as JSON, CSV, Markdown, LaTeX and Parquet."""
