"""What should happen, as plain values that compare: nothing is carried out before the handler has answered.

Each function makes one action. Objects and patches are Python values or JSON text; times are seconds or a timedelta. What is of a
wrong type is refused here, where the author's line is in the traceback; beyond this point it would end the component.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Optional

_NONE = type(None)
_MAYBE_TEXT = (str, _NONE)
_TYPES = {"uid": _MAYBE_TEXT, "subresource": _MAYBE_TEXT, "manager": _MAYBE_TEXT, "propagation": _MAYBE_TEXT,
          "idempotency_key": _MAYBE_TEXT, "force": (bool,), "grace_period_seconds": (int, _NONE), "ms": (int,)}
"""Of the fields of actions; those not named are text, objects and pairs see to themselves."""

LONGEST_MS = 2**31 - 1
"""The longest time that the contract can name, in milliseconds: about 24 days."""


def checked(what: str, value, kinds=(str,)):
    """The value, if it is of one of these types and, being text, is what can be written as UTF-8: JSON may hold halves of letters."""
    # To Python, True is a number.
    if not isinstance(value, kinds) or isinstance(value, bool) and bool not in kinds:
        known = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{what} is of type {type(value).__name__}, and must be {known}")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{what} is no text that could be written: {error}") from None
    return value


@dataclass(frozen=True)
class ObjectKey:
    """Names one object; `namespace` is None for cluster-scoped kinds."""

    api_version: str
    kind: str
    namespace: Optional[str]
    name: str

    def __post_init__(self):
        for part in ("api_version", "kind", "name"):
            checked(f"an object's {part}", getattr(self, part))
        checked("an object's namespace", self.namespace, _MAYBE_TEXT)

    def __str__(self):
        place = f"{self.namespace}/" if self.namespace else ""
        return f"{self.api_version}/{self.kind} {place}{self.name}"


@dataclass(frozen=True)
class Action:
    """One action: `kind` is the contract's name of it, `fields` what it says. Made by the functions of this module."""

    kind: str
    fields: dict

    def __post_init__(self):
        for name, value in self.fields.items():
            what = f"{self.kind}: {name}"
            if name in ("target", "regarding"):
                checked(what, value, (ObjectKey, _NONE))
            elif name == "error":
                checked(what, value, (BaseException,))
            elif isinstance(value, list):
                for key, said in value:
                    checked(f"{what}: the name {key!r}", key)
                    checked(f"{what}: {key}", said, _MAYBE_TEXT if name == "values" else (str,))
            else:
                checked(what, value, _TYPES.get(name, (str,)))


def milliseconds(time) -> int:
    """Whole milliseconds, rounded up so that a positive time never becomes none, and cut to what the contract can name."""
    if not isinstance(time, timedelta):
        time = timedelta(seconds=time)
    if time < timedelta():
        raise ValueError(f"a wait cannot be negative: {time}")
    return min(-(-time // timedelta(milliseconds=1)), LONGEST_MS)


def text(value) -> str:
    """A value as Kubernetes writes it in annotations: `true` rather than `True`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_json(value) -> str:
    """JSON text of a value; text is taken to be JSON (or, in a manifest, YAML) already."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _pairs(values: dict) -> list:
    return [(name, None if value is None else text(value)) for name, value in values.items()]


def annotate(values: dict) -> Action:
    """Sets annotations of the event's own object; None as value removes. Others are left alone."""
    return Action("annotate", {"values": _pairs(values)})


def label(values: dict) -> Action:
    """The same for labels."""
    return Action("label", {"values": _pairs(values)})


def set_status(status: Any) -> Action:
    """Merges this object into the `status` of the event's own object. Lists, so conditions too, are replaced whole."""
    return Action("set-status", {"status": as_json(status)})


def patch(body: Any, *, format: str = "merge", target: Optional[ObjectKey] = None, uid: Optional[str] = None,
          subresource: Optional[str] = None) -> Action:
    """Changes a part of an object, by default the event's own. `format`: merge, json-patch or strategic."""
    _one_of("format", format, ("merge", "json-patch", "strategic"))
    return Action("patch", {"target": target, "uid": uid, "subresource": subresource, "format": format,
                            "body": as_json(body)})


def apply(manifest: Any, *, manager: Optional[str] = None, force: bool = False,
          subresource: Optional[str] = None) -> Action:
    """Server-side apply under the handler's field manager, with `manager` appended after a slash. `force` needs a grant of its own."""
    return Action("apply", {"manifest": as_json(manifest), "subresource": subresource, "manager": manager,
                            "force": force})


def create(manifest: Any) -> Action:
    """Creates the object unless it exists. Needs a name."""
    return Action("create", {"manifest": as_json(manifest)})


def delete(target: Optional[ObjectKey] = None, *, uid: Optional[str] = None,
           grace_period_seconds: Optional[int] = None, propagation: Optional[str] = None) -> Action:
    """Deletes one object, by default the event's own. `propagation`: background, foreground, orphan or the kind's default."""
    _one_of("propagation", propagation, (None, "background", "foreground", "orphan"))
    if grace_period_seconds is not None and not 0 <= checked("grace_period_seconds", grace_period_seconds, (int,)) < 2**32:
        raise ValueError(f"a grace period is from 0 to {2**32 - 1} seconds, not {grace_period_seconds}")
    return Action("delete", {"target": target, "uid": uid, "grace_period_seconds": grace_period_seconds,
                             "propagation": propagation})


def emit(reason: str, message: str = "", *, severity: str = "normal", regarding: Optional[ObjectKey] = None) -> Action:
    """Records a Kubernetes Event, by default about the event's own object. `severity`: normal or warning."""
    _one_of("severity", severity, ("normal", "warning"))
    return Action("emit", {"regarding": regarding, "severity": severity, "reason": reason, "message": message})


def log(message: str, *, level: str = "info", **fields) -> Action:
    """Writes a log line once what comes before it has been done; `logging` writes at once."""
    _one_of("level", level, ("trace", "debug", "info", "warn", "error"))
    return Action("log", {"level": level, "message": message, "fields": [(k, text(v)) for k, v in fields.items()]})


def http(method: str, url: str, *, headers: Optional[dict] = None, body: Any = "",
         idempotency_key: Optional[str] = None) -> Action:
    """A request that weir sends for the handler. The URL must be granted; an answer other than 2xx fails the call."""
    return Action("http", {"method": method, "url": url, "headers": list((headers or {}).items()),
                           "body": as_json(body), "idempotency_key": idempotency_key})


def requeue_after(wait) -> Action:
    """Call again for this object after so many seconds. The last one of a reply counts."""
    return Action("requeue-after-ms", {"ms": milliseconds(wait)})


def fail(error: Exception) -> Action:
    """Carry out the other actions, then count this call as failed."""
    return Action("fail", {"error": error})


def extension(name: str, payload: Any) -> Action:
    """Something that a later host understands: a name from `features()`, and JSON."""
    return Action("extension", {"name": name, "payload": as_json(payload)})


def _one_of(what, given, known):
    if given not in known:
        raise ValueError(f"{what} is one of {', '.join(map(str, known))}, not {given!r}")
