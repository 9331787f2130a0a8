"""The world outside: listeners, and on a laptop the servers."""
