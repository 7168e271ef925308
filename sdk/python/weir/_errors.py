"""How a handler says that it could not do its work.

Any other exception counts as `Retry`. Its failure says its type, its message and the author's line that it came from; its
traceback goes to stderr, which weir keeps with the failure.
"""

import os
import traceback

from ._actions import milliseconds


class Retry(Exception):
    """Call again with growing waits, up to the handler's retry limit; then the event is a dead letter."""


class RetryLater(Exception):
    """Call again after `after` seconds (or a timedelta). Counts towards the retry limit too."""

    def __init__(self, after, reason=""):
        super().__init__(reason)
        # A wait that is none is a mistake of the line that raises this.
        milliseconds(after)
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


MEANT = (Retry, RetryLater, Permanent, ReadError)
"""The exceptions that say what they mean: they need no traceback."""

_NOT_THE_AUTHORS = (os.path.dirname(__file__), os.path.dirname(os.__file__))


def reason(error: BaseException) -> str:
    """What a failure says of an exception."""
    try:
        text = str(error)
    except Exception:
        # Its author's mistake in `__str__` must not hide the one that is told of, nor end the instance.
        text = ""
    said = text or type(error).__name__
    if not isinstance(error, MEANT):
        said = f"{type(error).__name__}: {text}" if text else type(error).__name__
        frames = traceback.extract_tb(error.__traceback__)
        frames = [frame for frame in frames if not frame.filename.startswith(_NOT_THE_AUTHORS)]
        if frames:
            said += f" ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})"
    return readable(said)


def readable(text: str) -> str:
    """The text as it can be written: halves of letters, as JSON may hold them, become question marks."""
    return text.encode("utf-8", "replace").decode()
