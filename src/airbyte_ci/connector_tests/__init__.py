"""Tests of a connector in its own image: pytest suites, protocol commands and secrets."""
