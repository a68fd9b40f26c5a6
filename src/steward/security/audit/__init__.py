"""The tamper-evident log of administrative acts: a Merkle tree in tiles with signed checkpoints.

Formats of C2SP (tlog-tiles, tlog-checkpoint, signed-note, tlog-proof), hashes of RFC 6962, so that other people's
tools can read and check it. Ours because no Python library implements them.
"""
