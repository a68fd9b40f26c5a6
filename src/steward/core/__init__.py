"""Pure vocabulary shared by every capability: errors, records, extension points."""
