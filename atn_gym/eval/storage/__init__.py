"""Results on disk: written, read back and named."""
