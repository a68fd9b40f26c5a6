"""Executors of data runs: this machine's processes, or a Ray cluster's."""
