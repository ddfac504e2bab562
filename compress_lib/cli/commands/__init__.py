"""Subcommands of `compress-lab`, one module each."""
