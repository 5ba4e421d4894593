"""Rules about connectors: each has an id that never changes, and a function from a connector to a verdict."""
