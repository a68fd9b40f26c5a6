"""Commands of `steward privacy` about what is kept of people."""
