"""The stages of data pipelines, one file each."""
