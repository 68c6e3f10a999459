"""Is a score any good here: correlations with trained accuracies, beside trivial baselines."""
