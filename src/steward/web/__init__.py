"""What every page and report shares."""
