"""Verifies published images: signatures, provenance, contents, and the result of building them again."""
