"""Contract suites for authors of adapters: what each kind of back end must do, as functions that a test calls."""
