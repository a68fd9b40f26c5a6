"""`python -m steward`."""

from steward.cli.main import main

if __name__ == "__main__":  # worker processes of a data run import this module under another name
    main()
