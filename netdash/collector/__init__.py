"""The shared poller: one clock, all kernel readers, the joins that make a snapshot of what they read."""
