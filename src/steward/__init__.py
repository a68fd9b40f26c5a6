"""steward looks after a language model in production."""

__version__ = "0.2.0"
