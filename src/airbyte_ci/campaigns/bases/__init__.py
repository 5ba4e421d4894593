"""Chooses a connector's base image, and finds the consequences of another one."""
