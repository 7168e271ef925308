"""A handler that does what the object's annotation `test.weir.dev/do` says, word by word: one word for each thing that crosses the
contract, so that its answers show whether this language's kit says what was meant. The same in every language.
"""

import logging
import sys

import weir

weir.describe("Does what an annotation says", reads=[{"apiVersion": "v1", "kind": "Pod"}],
              settings_schema={"type": "object", "properties": {"greeting": {"type": "string", "default": "grüß Gott"}}})

POD = weir.ObjectKey("v1", "Pod", "default", "p")
calls = 0


@weir.watch("objects", "v1", "ConfigMap", fields=["/metadata/annotations", "/data"], resync=1.5)
def objects(event):
    global calls
    calls += 1
    words = event.object["metadata"].get("annotations", {}).get("test.weir.dev/do", "").split()
    return [action for word in words for action in do(word, event, event.object.get("data") or {})]


def do(word, event, data):
    match word:
        case "event":
            seen = (event.change, event.watch, event.key, event.uid, event.resource_version, event.attempt,
                    str(event.previous is not None).lower())
            return [weir.annotate({"event": " ".join(map(str, seen))})]
        case "count":
            return [weir.annotate({"count": len(data)})]
        case "text":
            return [weir.label({"text": data["text"]})]
        case "calls":
            return [weir.annotate({"calls": calls})]
        case "settings":
            return [weir.annotate({"greeting": weir.settings()["greeting"]})]
        case "remove":
            return [weir.annotate({"a": None}), weir.label({"b": None})]
        case "status":
            return [weir.set_status({"ready": True})]
        case "patch":
            return [weir.patch([], format="json-patch", target=POD, uid="u", subresource="status"),
                    weir.patch({"data": None})]
        case "apply":
            key = {"apiVersion": "v1", "kind": "Pod", "namespace": "default", "name": "p"}
            return [weir.apply({"kind": "Pod"}, manager="m", force=True), weir.apply(key)]
        case "create":
            return [weir.create({"one": 1})]
        case "delete":
            return [weir.delete(POD, grace_period_seconds=0, propagation="orphan"), weir.delete()]
        case "emit":
            return [weir.emit("Reason", "3 ünits", severity="warning"), weir.emit("Other", regarding=POD)]
        case "log":
            logging.info("said at once", extra={"who": "me"})
            return [weir.log("said later", level="warn", who="me")]
        case "http":
            return [weir.http("POST", "https://example.com/", headers={"a": "b"}, body="x")]
        case "requeue":
            return [weir.requeue_after(1.5)]
        case "fail":
            return [weir.fail(weir.RetryLater(2, "not ready"))]
        case "extension":
            return [weir.extension("later", {})]
        case "list":
            return [weir.annotate({"listed": sum(1 for _ in weir.cluster.list("v1", "Pod", limit=2))})]
        case "get":
            return [weir.annotate({"found": weir.cluster.get("v1", "Pod", "p", "default") is not None})]
        case "pointer":
            return [weir.annotate({"name": weir.subject.get("/metadata/name")}),
                    weir.annotate({"nothing": weir.subject.get("no pointer")})]
        case "retry":
            raise weir.Retry("as any error")
        case "retry-later":
            raise weir.RetryLater(60, "wrapped: later")
        case "permanent":
            raise weir.Permanent("never: für immer")
        case "crash":
            return [weir.annotate({"crash": data["missing"]})]
        case "exit":
            sys.exit("on purpose")
        case "deep":
            return [weir.annotate({"deep": len(weir.parse("[" * 100_000))})]
        case "garbage":
            for _ in range(10):
                bytearray(10_000)
            return []
        case _:
            raise weir.Permanent(f'there is no word "{word}"')
