"""What other monitoring systems are told."""
