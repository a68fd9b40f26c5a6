"""`steward plan`: which hardware, how many, how certain, and for how long. A file for each command."""
