"""Command-line interface: commands, benchmarks and deployment bundles."""
