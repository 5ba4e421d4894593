"""The command line: options, exit codes, and the choice of an output. No logic."""
