"""Guards beside that of personal data: rules about what is asked and answered. Signals, not boundaries."""
