"""`steward load`: one file per command; options.py has the option sets, and output.py and live.py what people see."""
