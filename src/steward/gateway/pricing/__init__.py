"""What a request costs: prices by kind of token, and the shipped table of public prices."""
