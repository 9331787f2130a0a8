"""The contenders: each a process of its own that reads one topic from its beginning."""
