"""Where limits are counted: a table in memory shared by one machine, or a Valkey server shared by many."""
