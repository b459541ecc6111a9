"""Advertising copy about items: what may be said, who says it, and how it is checked."""
