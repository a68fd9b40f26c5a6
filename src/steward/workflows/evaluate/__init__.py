"""The journey of an evaluation, one module per step: files and models in, records out.

    target.py      which model is asked, and how
    suites.py      finds a suite and runs it        graders.py   who grades what has no formula
    scoring.py     scores predictions without a model
    changes.py     runs a suite under changes: robustness, counterfactual swaps, checks
    comparison.py  compares two runs, decides a gate, writes reports
    judging.py     lets a judge compare the answers of two runs
    overlap.py     looks for a suite's items in training data
    fairness.py    groups of a run; published sets about stereotypes
    perplexity.py  how well a model predicts a text; sentences.py: how likely single sentences are

Call `extra.require_extra` before importing a step: NumPy and the metrics come with the extra `eval`.
"""
