"""Publishing connectors: what a release needs, the order of pushing, refusals, tags and records."""
