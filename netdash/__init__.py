"""netdash: which interface, which process, which connection and which packets make the traffic."""

__version__ = "0.1.0"
