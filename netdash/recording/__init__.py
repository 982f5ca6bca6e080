"""The file that remembers: snapshots as frames, and sums of each minute as plain SQL tables."""
