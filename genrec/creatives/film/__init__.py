"""Short films of one product: scenes from what is said of it, moving pictures, an encoded file."""
