"""Tasks about source code: functions of the running Python's standard library with their docstrings."""
