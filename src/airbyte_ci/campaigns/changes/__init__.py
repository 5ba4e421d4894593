"""The effect of a migration on a connector, as values: the change, its baseline in git, and the plan file."""
