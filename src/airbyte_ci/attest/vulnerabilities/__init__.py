"""Vulnerabilities of an image's packages: found in advisories or a scanner's report, and who can fix each."""
