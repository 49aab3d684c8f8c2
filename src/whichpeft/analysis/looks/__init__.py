"""Seeds until decided: verdicts over several looks at a growing number of seeds."""
