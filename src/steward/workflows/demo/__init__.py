"""A home that is filled with a made-up month, so that every page can be seen in a minute."""
