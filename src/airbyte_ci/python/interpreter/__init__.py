"""The Python of an image: its facts, and the distributions that are installed."""
