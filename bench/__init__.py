"""Side-by-side measurements against other mirrors: `make bench`."""
