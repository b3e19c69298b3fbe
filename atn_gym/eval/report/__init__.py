"""The report of stored results."""
