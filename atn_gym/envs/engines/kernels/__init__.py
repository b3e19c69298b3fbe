"""Kernels of the compiled engine, in numba: all that imports it lies here."""
