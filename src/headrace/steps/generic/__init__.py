"""Steps of no particular vendor."""
