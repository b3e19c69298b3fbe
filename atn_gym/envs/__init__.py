"""Environments: tasks, regimes, the trainer and the Gymnasium classes around it."""
