"""Compares two images of a connector: their contents, which are read without running them, and a verdict for each."""
