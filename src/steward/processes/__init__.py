"""Entry points, signals and lifetimes of the processes of `steward up`."""

import gc

# each process loads some hundreds of modules first, of which nothing is garbage: at Python's 700 new objects a
# collection looks for it hundreds of times, a twentieth of the start
gc.set_threshold(20_000, 20, 50)
