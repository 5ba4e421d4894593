"""Runs many independent jobs, on this machine or on several. Knows nothing about connectors."""
