"""Image tasks: images with a class each."""
