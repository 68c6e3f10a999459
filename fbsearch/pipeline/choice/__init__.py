"""The choice of an architecture: budgets as limits, finalists measured, models that broke one put aside."""
