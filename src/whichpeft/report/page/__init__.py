"""The HTML page: one file that opens without a network."""
