"""Keeps personal data from the models: finds it, replaces it on the way in, puts it back on the way out."""
