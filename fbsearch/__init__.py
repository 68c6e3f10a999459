"""fbsearch: the best vision model that keeps a latency budget on your own device."""

__version__ = "0.1.0"
