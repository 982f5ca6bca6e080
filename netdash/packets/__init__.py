"""Single packets: decoded for the eye, and written to capture files. The only package that imports scapy."""

import logging

# Scapy warns on stderr while it is imported (no route, no libpcap), and the terminal is the dashboard's.
logging.getLogger("scapy").setLevel(logging.CRITICAL)
