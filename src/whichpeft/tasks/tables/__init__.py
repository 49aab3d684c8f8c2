"""Tables of examples: read from files or the hub, and turned into tasks."""
