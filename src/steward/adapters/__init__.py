"""Everything that touches a library with a back end behind it."""
