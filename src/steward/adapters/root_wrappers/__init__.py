"""Services that wrap the root key under a key which never leaves them."""
