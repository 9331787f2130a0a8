"""What happens to the stream: one verb per file."""
