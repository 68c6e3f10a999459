"""Where a model file runs, and how its latency is measured. Needs no torch."""
