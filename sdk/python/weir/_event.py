"""One call's question, parsed."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Optional

from ._actions import ObjectKey


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
        return json.loads(self.object_json)

    @cached_property
    def previous(self) -> Any:
        """The state acknowledged last, only with `previous=True` in the watch; None if there is none."""
        return None if self.previous_json is None else json.loads(self.previous_json)

    @property
    def is_ending(self) -> bool:
        """Whether this is the last call about the object: it left the selectors, or is gone."""
        return self.change in ("left", "deleted")
