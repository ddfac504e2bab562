"""The command line: commands, benchmarks, deployment bundles."""
