"""A source that reads the books of a library's XML catalogue."""
