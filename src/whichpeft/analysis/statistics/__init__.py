"""The statistics of a comparison: intervals, gaps, corrections and power."""
