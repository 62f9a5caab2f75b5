"""A model that says things backwards."""
