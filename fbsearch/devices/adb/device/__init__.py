"""A phone as a device: how it is reached, its runtimes, a report of it and a file for it."""
