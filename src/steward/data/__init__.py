"""Data quality: clean, check, deduplicate, and explain every row that was dropped or changed (extra `data`)."""
