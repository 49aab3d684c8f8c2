"""The commands: they parse options and print results."""
