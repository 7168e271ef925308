"""What the handler watches, reads and wants, as decorators and one function write it down."""

import json

from ._actions import milliseconds
from ._errors import Permanent

_watches: list = []
_handlers: dict = {}
_spec: dict = {}


def _put(into: dict, **values):
    into.update({name: value for name, value in values.items() if value is not None})


def watch(name: str, api_version: str, kind: str, *, fields=None, changed=None, events=None, namespaces=None,
          label_selector=None, field_selector=None, when=None, previous=None, resync=None, finalizer=None):
    """Calls the decorated function for each event of one kind; it answers with an iterable of actions, or None.

    `fields` are JSON pointers to hand over (None: the whole object, []: metadata only), `resync` is in seconds or a timedelta;
    the rest is as in the manifest.
    """
    if name in _handlers:
        raise ValueError(f"there is a watch {name!r} already; names are unique in a handler")
    declared = {"name": name, "apiVersion": api_version, "kind": kind}
    _put(declared, fields=fields, changed=changed, events=events, namespaces=namespaces, labelSelector=label_selector,
         fieldSelector=field_selector, when=when, previous=previous, finalizer=finalizer,
         resync=None if resync is None else f"{milliseconds(resync)}ms")

    def keep(function):
        _watches.append(declared)
        _handlers[name] = function
        return function

    return keep


def describe(description=None, *, reads=None, wants=None, settings_schema=None):
    """Says what the handler is, which kinds it reads, what it would like to be granted, and its settings' JSON Schema."""
    _put(_spec, description=description, reads=reads, wants=wants, settingsSchema=settings_schema)


def description() -> str:
    """All of that as the contract's JSON."""
    if not _watches:
        raise ValueError("the handler watches nothing; decorate a function with @weir.watch(name, api_version, kind)")
    return json.dumps({**_spec, "watches": _watches}, ensure_ascii=False)


def handler_of(watch_name: str):
    """The function of a watch. An operator's manifest may have renamed it; with only one function there is no doubt."""
    if watch_name not in _handlers and len(_handlers) == 1:
        return next(iter(_handlers.values()))
    if watch_name not in _handlers:
        raise Permanent(f"no function is decorated with the watch {watch_name!r}; name the watches of the manifest as the handler "
                        f"does: {', '.join(_handlers)}")
    return _handlers[watch_name]
