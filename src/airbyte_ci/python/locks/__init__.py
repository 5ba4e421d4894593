"""Lock files and projects, each read as the packages that one interpreter needs."""
