"""``fbsearch proxy``, a file for each of its commands."""
