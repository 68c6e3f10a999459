"""Several latency budgets, one search."""
