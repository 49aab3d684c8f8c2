"""A race between methods: which of them race, how long it may take, and the stages that carry it out."""
