"""The `base-images` commands."""
