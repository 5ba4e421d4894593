"""Completion of command lines in bash, zsh and fish.

Importing a command takes longer than a person waits for a completion, so all commands and options are kept in an index
in the user's cache folder (`index`). `answer` completes a line with it, and `command` prints the shells' scripts.
"""
