"""What the component exports, with bindings that only look like the generated ones: how an answer becomes a failure."""

import contextlib
import importlib
import io
import logging
import sys
import types
import unittest
from unittest import mock

import weir
from weir import _describe


class Err(Exception):
    def __init__(self, value):
        super().__init__(value)
        self.value = value


class Case:
    """Any case or record: its name and what it holds."""

    def __init__(self, name, *values, **fields):
        self.said = (name, values or fields or None)

    def __eq__(self, other):
        return self.said == other.said

    def __repr__(self):
        return repr(self.said)


class Types(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *values, **fields: Case(name, *values, **fields)


def bindings(log):
    world, imports = types.ModuleType("wit_world"), types.ModuleType("wit_world.imports")
    world.exports = types.SimpleNamespace(Handler=object)
    imports.log, imports.types = log, Types("types")
    world.imports = imports
    errors = types.ModuleType("componentize_py_types")
    errors.Err = Err
    return {"wit_world": world, "wit_world.imports": imports, "componentize_py_types": errors}


class Failures(unittest.TestCase):
    def setUp(self):
        for kept in (_describe._watches, _describe._handlers, _describe._spec):
            kept.clear()
        self.log = mock.Mock()
        root = logging.getLogger()
        before, level = list(root.handlers), root.level
        self.addCleanup(lambda: (setattr(root, "handlers", before), root.setLevel(level)))
        root.handlers = []
        # What was imported goes with the bindings.
        with mock.patch.dict(sys.modules, bindings(self.log)):
            self.handler = importlib.import_module("weir._component").Handler()

    def failing(self, function):
        """The failure of a handler that does this, and what it wrote to stderr."""
        weir.watch("pods", "v1", "Pod")(lambda event: function())
        key = types.SimpleNamespace(api_version="v1", kind="Pod", namespace=None, name="a")
        event = types.SimpleNamespace(change=types.SimpleNamespace(name="ADDED"), key=key, object="{}", watch="pods", uid="u",
                                      resource_version="1", previous=None, final_state_unknown=False, attempt=1)
        written = io.StringIO()
        with contextlib.redirect_stderr(written), self.assertRaises(Err) as raised:
            self.handler.handle(event)
        _describe._handlers.clear()
        return raised.exception.value, written.getvalue()

    def test_any_exception_is_a_retry_that_says_what_it_was_and_where_with_its_traceback(self):
        def later():
            yield weir.annotate({"a": 1})
            raise KeyError("status")

        def leave():
            sys.exit("enough")

        here = later.__code__.co_firstlineno
        for function, said in ((later, f"KeyError: 'status' (test_component.py, line {here + 2})"),
                               (leave, f"SystemExit: enough (test_component.py, line {here + 5})"),
                               (lambda: [weir.annotate({1: "a"})], "TypeError: annotate: values: the name 1 is of type int")):
            failure, written = self.failing(function)
            name, (reason,) = failure.said
            self.assertEqual(name, "Failure_Retry")
            self.assertTrue(reason.startswith(said), reason)
            self.assertIn("Traceback", written)
            self.assertIn("test_component.py", written)

    def test_what_is_meant_is_said_as_it_is_and_without_a_traceback(self):
        def raising(error):
            def function():
                raise error
            return function

        for error, failure in ((weir.Retry("not yet"), Case("Failure_Retry", "not yet")),
                               (weir.Permanent("never"), Case("Failure_Permanent", "never")),
                               (weir.Unavailable("soon"), Case("Failure_Retry", "soon")),
                               (weir.Denied("no"), Case("Failure_Permanent", "no")),
                               (weir.RetryLater(2), Case("Failure_RetryLater", Case("RetryLater", 2000, "RetryLater")))):
            self.assertEqual(self.failing(raising(error)), (failure, ""))

    def test_an_answer_that_is_no_list_of_actions_is_explained(self):
        for answer, said in ((weir.annotate({"a": 1}), "this is one action"), ({"a": 1}, "this is a str"), (3, "not iterable")):
            failure, _ = self.failing(lambda answer=answer: answer)
            self.assertIn(said, failure.said[1][0])

    def test_halves_of_letters_in_messages_do_not_end_the_component(self):
        def function():
            logging.info("half \ud800", extra={"of": "a \ud800"})
            raise ValueError("half \ud800")

        failure, _ = self.failing(function)
        self.assertIn("half ?", failure.said[1][0])
        self.log.info.assert_called_once_with("half ?", [("of", "a ?")])


if __name__ == "__main__":
    unittest.main()
