"""The parts of a short answer: advice, what limits cost, certainty, figures, the next command."""
