"""`steward dataset`: builds, checks, compares and exports training sets."""
