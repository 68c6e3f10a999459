"""Hostile files: everything that the package reads, changed with knowledge of its structure."""
