"""Recommendations over HTTP: batching, keys, events, metrics, and a swap of models under load."""
