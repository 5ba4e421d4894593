"""Python in images: packages, interpreters, wheels, indexes, locks, sources and environments."""
