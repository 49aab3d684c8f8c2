"""Data that come inside the package; see README.md."""
