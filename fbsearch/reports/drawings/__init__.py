"""Drawings of architectures as SVG, and the rows that they stand in."""
