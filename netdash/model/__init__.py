"""What everything speaks: the snapshot and its tables, rates and windows, units. Pure: no I/O, no terminal."""
