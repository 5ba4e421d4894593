"""Compares what two images of a connector do: spec, check, discover and read, with the same answers of the source."""
