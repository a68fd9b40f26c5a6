"""The data plane: one OpenAI-compatible front door."""
