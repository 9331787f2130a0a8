"""What the outside sees: one resource, one view."""
