"""Wheels as archives, and their byte code."""
