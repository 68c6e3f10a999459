"""``fbsearch devices``, a file for each of its commands."""
