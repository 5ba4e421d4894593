"""The `campaign` commands."""
