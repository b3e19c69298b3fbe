"""Evaluation: running policies on envs, metrics, and the store of results."""
