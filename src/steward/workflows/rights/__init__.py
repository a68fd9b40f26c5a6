"""People's rights over what is kept of them: export, erasure, correction, holds; inventory, retention and breaches."""
