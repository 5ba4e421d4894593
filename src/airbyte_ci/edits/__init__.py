"""Edits as values: a text goes in, a text comes out; exact, or refused."""
