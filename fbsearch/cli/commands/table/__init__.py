"""``fbsearch table``, a file for each of its commands."""
