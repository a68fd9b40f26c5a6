"""Load tests: one run (run.py, ray.py), its processes and monitors, the searches over several runs, and the files."""
