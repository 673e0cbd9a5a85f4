"""How fast dropped files are taken in, and results written: `python -m benchmarks.batches`."""
