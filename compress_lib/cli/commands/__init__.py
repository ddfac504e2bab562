"""One module per subcommand of `compress-lab`."""
