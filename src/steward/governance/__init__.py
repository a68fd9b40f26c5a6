"""Who answers for what: approvals of changes."""
