"""Training sets out of production: which rows, whose, why, and the manifest that says so. Pure decisions."""
