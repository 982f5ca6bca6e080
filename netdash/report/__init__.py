"""`netdash report`: who moved how much over hours, days and months, from the sums in a recording."""
