"""Text, price and logo as graphics around a picture: nothing overflows, everything can be read."""
