"""Where snapshots come from; names for addresses and ports."""
