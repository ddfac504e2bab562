"""Before a run: rules, byte allocation, forecast. No torch."""
