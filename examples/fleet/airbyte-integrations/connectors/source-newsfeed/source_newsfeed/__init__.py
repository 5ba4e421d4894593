"""A source that reads the entries of an RSS or Atom feed."""
