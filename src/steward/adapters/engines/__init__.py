"""Back ends that answer: one file each."""
