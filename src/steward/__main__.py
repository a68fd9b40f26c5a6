"""`python -m steward`."""

from steward.cli.main import main

main()
