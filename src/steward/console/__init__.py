"""Pages of the web console and the admin API."""
