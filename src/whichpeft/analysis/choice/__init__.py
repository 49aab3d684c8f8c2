"""Choose a method under limits, and find out what would change the choice."""
