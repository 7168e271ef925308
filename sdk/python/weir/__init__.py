"""Write a weir handler in Python: a function from one event to a list of actions.

    import weir

    weir.describe("Annotates each node with the number of its images",
                  wants={"write": [{"apiVersion": "v1", "kind": "Node", "actions": ["annotate"]}]})

    @weir.watch("nodes", "v1", "Node", fields=["/status/images"])
    def nodes(event):
        return [weir.annotate({"example.com/images": len(event.object["status"].get("images", []))})]

An exception carries out nothing: `Retry`, `RetryLater`, `Permanent`, and any other one is a retry, with its traceback kept. `logging`
reaches the operator's log, with what is given as `extra` as fields. All of it but `cluster`, `subject`, `settings`, `now` and `features` works without weir,
so handlers are tested by calling them with an `Event`.
"""

from ._actions import (Action, ObjectKey, annotate, apply, create, delete, emit, extension, fail, http, label, log,
                       patch, requeue_after, set_status)
from ._describe import describe, watch
from ._errors import Denied, Invalid, Permanent, ReadError, Retry, RetryLater, Unavailable
from ._event import Event, parse
from ._host import cluster, features, now, settings, subject

__all__ = ["Action", "Denied", "Event", "Invalid", "ObjectKey", "Permanent", "ReadError", "Retry", "RetryLater",
           "Unavailable", "annotate", "apply", "cluster", "create", "delete", "describe", "emit", "extension", "fail",
           "features", "http", "label", "log", "now", "parse", "patch", "requeue_after", "set_status", "settings", "subject",
           "watch"]
