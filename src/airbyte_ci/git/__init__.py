"""A repository: its history by git, its host and GitHub, and its CODEOWNERS."""
