"""Proteins as sequences of residues, one letter per amino acid."""
