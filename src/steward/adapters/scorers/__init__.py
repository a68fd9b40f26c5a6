"""Numbers for texts: a word list, a function of the user's, a service."""
