"""Measures netdash against its budgets and its peers: `python -m bench`."""
