"""Where settled records live: SQLite by default, PostgreSQL when asked."""
