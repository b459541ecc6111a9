"""Cases that benchmarks generate from real data."""
