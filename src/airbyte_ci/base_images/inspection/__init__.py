"""What a base image contains, its contract, its vulnerabilities, and how two of them differ."""
