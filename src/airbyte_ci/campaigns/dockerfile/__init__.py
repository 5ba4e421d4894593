"""Reads Dockerfiles as `docker build` does: instructions, stages, words and shell commands."""
