"""steward looks after a language model in production."""

__version__ = "0.1.0"
