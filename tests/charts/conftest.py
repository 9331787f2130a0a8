"""The whole folder in seconds: fewer examples each time, others the next time."""

from hypothesis import settings

settings.register_profile("charts", max_examples=40, deadline=None)
settings.load_profile("charts")
