"""fbsearch: the best vision model that keeps a latency budget on your own device."""

__version__ = "0.2.0.dev0"
