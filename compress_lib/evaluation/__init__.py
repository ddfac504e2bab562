"""What compression costs: likelihood, agreement, directions, bytes."""
