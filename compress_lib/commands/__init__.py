"""The commands of `compress-lab`, one file each: `add_arguments(parser)` and `run(options)`."""
