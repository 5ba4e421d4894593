"""A source that reads a list of lights kept in a YAML file."""
