"""Campaigns: one migration for many connectors, in waves, until every pull request is merged.

The campaign file in git is the order. Its state is computed from git, GitHub and registries by each command.
"""
