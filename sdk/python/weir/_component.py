"""Between the generated bindings and the rest of the kit; imported in a component only."""

import logging
import traceback

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import log as host_log, types

from . import _describe
from ._actions import Action, ObjectKey, milliseconds, text
from ._errors import MEANT, Permanent, RetryLater, readable, reason
from ._event import Event

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LEVELS = ((logging.ERROR, host_log.error), (logging.WARNING, host_log.warn), (logging.INFO, host_log.info),
           (logging.DEBUG, host_log.debug), (0, host_log.trace))


class HostLog(logging.Handler):
    """Sends `logging` to the operator's log, what is given as `extra` as fields."""

    def emit(self, record):
        fields = [(name, readable(text(value))) for name, value in vars(record).items() if name not in _STANDARD]
        if record.name != "root":
            fields.append(("logger", record.name))
        if record.exc_info:
            fields.append(("traceback", readable("".join(traceback.format_exception(*record.exc_info)))))
        write = next(write for least, write in _LEVELS if record.levelno >= least)
        write(readable(record.getMessage()), fields)


# The host drops what its operator does not want to see.
logging.basicConfig(level=logging.DEBUG, handlers=[HostLog()])


class Handler(exports.Handler):
    """What the component exports."""

    def describe(self):
        try:
            return _describe.description()
        except BaseException as error:
            raise Err(reason(error)) from None

    def handle(self, event):
        try:
            answer = _describe.handler_of(event.watch)(_event(event))
            if isinstance(answer, Action):
                raise TypeError("a handler answers with a list of actions, and this is one action; write [...] around it")
            return [_action(action) for action in answer or ()]
        # `sys.exit` and its like as well: what leaves this function in another way ends the instance, and says less.
        except BaseException as error:
            if not isinstance(error, MEANT):
                traceback.print_exc()
            raise Err(_failure(error)) from None


def _event(event):
    key = event.key
    return Event(
        change=event.change.name.lower(), key=ObjectKey(key.api_version, key.kind, key.namespace, key.name),
        object_json=event.object, watch=event.watch, uid=event.uid, resource_version=event.resource_version,
        previous_json=event.previous, final_state_unknown=event.final_state_unknown, attempt=event.attempt)


def _failure(error):
    if isinstance(error, Permanent):
        return types.Failure_Permanent(reason(error))
    if isinstance(error, RetryLater):
        return types.Failure_RetryLater(types.RetryLater(milliseconds(getattr(error, "after", 0)), reason(error)))
    return types.Failure_Retry(reason(error))


def _key(key):
    return None if key is None else types.ObjectKey(key.api_version, key.kind, key.namespace, key.name)


def _case(enum, name):
    return None if name is None else enum[name.replace("-", "_").upper()]


def _action(action):
    if not isinstance(action, Action):
        raise TypeError(f"a handler answers with actions, as weir.annotate makes one, and this is a {type(action).__name__}")
    said = dict(action.fields)
    for name, convert in (("target", _key), ("regarding", _key)):
        if name in said:
            said[name] = convert(said[name])
    for name, enum in (("format", types.PatchFormat), ("propagation", types.Propagation), ("severity", types.Severity),
                       ("level", types.Level)):
        if name in said:
            said[name] = _case(enum, said[name])
    match action.kind:
        case "annotate":
            return types.Action_Annotate(said["values"])
        case "label":
            return types.Action_Label(said["values"])
        case "set-status":
            return types.Action_SetStatus(said["status"])
        case "patch":
            return types.Action_Patch(types.Patch(**said))
        case "apply":
            return types.Action_Apply(types.Apply(**said))
        case "create":
            return types.Action_Create(said["manifest"])
        case "delete":
            return types.Action_Delete(types.Deletion(**said))
        case "emit":
            return types.Action_Emit(types.Note(**said))
        case "log":
            return types.Action_Log(types.LogLine(**said))
        case "http":
            return types.Action_Http(types.HttpRequest(**said))
        case "requeue-after-ms":
            return types.Action_RequeueAfterMs(said["ms"])
        case "fail":
            return types.Action_Fail(_failure(said["error"]))
        case "extension":
            return types.Action_Extension(types.Extension(**said))
        case other:
            raise TypeError(f"there is no action {other!r}")
