"""How operators and whole networks are measured: batches, rounds, journals, models."""
