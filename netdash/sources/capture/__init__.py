"""Capture files (pcap, pcapng) as a source of snapshots, counted by the rules of live counting."""
