"""Processes that move a known number of bytes in all the ways that there are, for tests and bench of attribution."""
