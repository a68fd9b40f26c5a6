"""`steward eval`: one file per command or close family. `options.py` and `output.py` are what they share."""
