"""`steward gpu`: what the GPUs of this machine do, and what is wrong with them."""
