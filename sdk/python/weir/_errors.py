"""How a handler says that it could not do its work.

Any other exception counts as `Retry` with its message; its traceback goes to stderr, which weir attaches to the failure.
"""


class Retry(Exception):
    """Call again with growing waits, up to the handler's retry limit; then the event is a dead letter."""


class RetryLater(Exception):
    """Call again after `after` seconds (or a timedelta). Counts towards the retry limit too."""

    def __init__(self, after, reason=""):
        super().__init__(reason)
        self.after = after


class Permanent(Exception):
    """Trying again cannot help: a dead letter at once."""


class ReadError(Exception):
    """A read was not answered, and trying again may help."""


class Denied(ReadError, Permanent):
    """Not declared under `reads`, not granted, or not kept by this watch; the text says what to add."""


class Invalid(ReadError, Permanent):
    """The question itself is wrong."""


class Unavailable(ReadError):
    """Not now: the cache is not complete yet."""
