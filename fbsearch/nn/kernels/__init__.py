"""CPU fast paths of single convolutions."""
