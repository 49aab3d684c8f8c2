"""How a trial's model gets its weights, and in which types they are stored."""
