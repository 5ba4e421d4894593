"""Changes as commits, branches and pull requests."""
