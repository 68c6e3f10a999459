"""A whole run: the stages, composed over all targets."""
