"""One call's question, parsed."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Optional

from ._actions import ObjectKey
from ._errors import Permanent

DEEPEST = 500
"""How deep JSON may be nested: from some 1,000 on, a component's stack ends before Python notices, and with it the component."""
_TEXTS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BRACKETS = re.compile(r"[][{}]")


def parse(text: str) -> Any:
    """A value from JSON text, as `json.loads`, but for text nested deeper than `DEEPEST`, which is `Permanent`."""
    # Hardly any text has so many brackets at all that it is worth a look.
    if text.count("{") + text.count("[") > DEEPEST and _depth(text) > DEEPEST:
        raise Permanent(f"the JSON is nested deeper than {DEEPEST} levels")
    return json.loads(text)


def _depth(text: str) -> int:
    depth = deepest = 0
    for bracket in _BRACKETS.findall(_TEXTS.sub("", text)):
        depth += 1 if bracket in "{[" else -1
        deepest = max(deepest, depth)
    return deepest


@dataclass(frozen=True)
class Event:
    """What happened, to which object, and how that object is now. A test makes one with what it is about; the rest has defaults."""

    change: str
    """initial, added, updated, related, finalizing, left, deleted, resync or requeued."""
    key: ObjectKey
    object_json: str = "{}"
    watch: str = ""
    uid: str = ""
    resource_version: str = ""
    previous_json: Optional[str] = None
    final_state_unknown: bool = False
    attempt: int = 1

    @cached_property
    def object(self) -> Any:
        """The object, as its watch hands it over."""
        return parse(self.object_json)

    @cached_property
    def previous(self) -> Any:
        """The state acknowledged last, only with `previous=True` in the watch; None if there is none."""
        return None if self.previous_json is None else parse(self.previous_json)

    @property
    def is_ending(self) -> bool:
        """Whether this is the last call about the object: it left the selectors, or is gone."""
        return self.change in ("left", "deleted")
