"""What the handler may ask: its settings, the time, and other objects. Outside of weir each says so."""

from typing import Any, Iterator, Optional

from ._actions import ObjectKey, checked
from ._errors import Denied, Invalid, Unavailable
from ._event import parse

try:
    from componentize_py_types import Err
    from wit_world.imports import cluster as _cluster, host as _host, subject as _subject, types as _types
except ImportError:  # At home, in a test: there is no weir to ask.
    _host = _cluster = _subject = None


def _ask(question, *arguments):
    try:
        return question(*arguments)
    except Err as error:
        kind = {_types.ReadError_Denied: Denied, _types.ReadError_Invalid: Invalid}.get(type(error.value), Unavailable)
        raise kind(error.value.value) from None


def _asked(interface):
    if interface is None:
        raise Unavailable("there is no weir here to ask; replace this function in a test")
    return interface


def settings() -> dict:
    """The handler's settings, checked against its schema, with defaults filled in."""
    return parse(_asked(_host).settings())


def now() -> float:
    """Seconds since the Unix epoch. Recorded, so that a replay sees the same time."""
    return _asked(_host).now_ms() / 1000


def features() -> list:
    """Names of what this host adds to the contract's first version."""
    return _asked(_host).features()


class subject:
    """More of the event's own object than the event carries."""

    @staticmethod
    def get(pointer: str) -> Any:
        """The value at a JSON pointer, or None."""
        found = _ask(_asked(_subject).get, checked("the pointer", pointer))
        return None if found is None else parse(found)

    @staticmethod
    def get_many(pointers: list) -> list:
        """The values at several pointers, as one question."""
        found = _ask(_asked(_subject).get_many, [checked("a pointer", pointer) for pointer in pointers])
        return [None if one is None else parse(one) for one in found]


class cluster:
    """Other objects: kinds declared under `reads` and granted. Answered from weir's cache; no request is sent."""

    @staticmethod
    def get(api_version: str, kind: str, name: str, namespace: Optional[str] = None) -> Any:
        """One object, or None if there is no such object."""
        interface, key = _asked(_cluster), ObjectKey(api_version, kind, namespace, name)
        found = _ask(interface.get, _types.ObjectKey(key.api_version, key.kind, key.namespace, key.name))
        return None if found is None else parse(found)

    @staticmethod
    def pages(api_version: str, kind: str, *, namespace: Optional[str] = None, label_selector: str = "",
              field_selector: str = "", limit: int = 0) -> Iterator[list]:
        """Page by page, each a list of at most `limit` objects; 0 takes the default, 500, which is also the most."""
        interface, token = _asked(_cluster), None
        for what, value in (("api_version", api_version), ("kind", kind), ("label_selector", label_selector),
                            ("field_selector", field_selector)):
            checked(what, value)
        checked("namespace", namespace, (str, type(None)))
        checked("limit", limit, (int,))
        while True:
            query = interface.Query(api_version, kind, namespace, label_selector, field_selector, limit, token)
            page = _ask(interface.list_page, query)
            yield [parse(item) for item in page.items]
            token = page.continue_token
            if token is None:
                return

    @staticmethod
    def list(api_version: str, kind: str, **query) -> Iterator[Any]:
        """All of them, one after the other; asks for a page when it is needed. Takes what `pages` takes."""
        for page in cluster.pages(api_version, kind, **query):
            yield from page
