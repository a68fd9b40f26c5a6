"""Entry points, signals and lifetimes of the processes of `steward up`."""
