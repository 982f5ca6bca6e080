"""`netdash export`: the sums and flows of a recording as files that other programs read."""
