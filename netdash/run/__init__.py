"""One source and what shows it, from the checked command line to the exit code."""
