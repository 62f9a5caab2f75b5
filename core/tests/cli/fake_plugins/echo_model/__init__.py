"""A model without weights and without torch: it says back what it hears."""
