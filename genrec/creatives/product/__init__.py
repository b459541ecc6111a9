"""The product as the shop photographed it, cut out, put before another background, never redrawn."""
