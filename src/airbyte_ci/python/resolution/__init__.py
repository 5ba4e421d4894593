"""Resolves requirements at a date, with the metadata that an index offers."""
