"""WorkerService: plan it from the settings, compose the gateway of a plan, run it in a worker.

settings ─► from_settings.py ─► plan.py (what every process reads)
plan ─► engines.py, composition.py (one generation of the gateway) ─► service.py (a worker) ─► worker_reports.py
"""
