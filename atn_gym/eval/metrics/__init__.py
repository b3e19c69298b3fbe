"""Metrics: of one run, over runs, and their intervals."""
