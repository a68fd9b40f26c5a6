"""Commands that watch what is served."""
