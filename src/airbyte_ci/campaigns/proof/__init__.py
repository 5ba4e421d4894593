"""Proves changes: compares the image of a connector before a change with the one that the change gives."""
