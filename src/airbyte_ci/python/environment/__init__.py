"""Packages as layers: preparing, checking, grouping and installing an environment."""
