"""Are zero-shot scores any good: trained networks in, correlations out."""
