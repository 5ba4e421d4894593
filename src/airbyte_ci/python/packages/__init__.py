"""What packages are: locked packages, their origins, requirements and versions."""
