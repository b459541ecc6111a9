"""Benchmarks, one runnable file for each area: ``python -m benchmarks data --quick``."""
