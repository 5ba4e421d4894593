"""What a migration does to a connector, as values: the change, its baseline in git, and the plan file."""
