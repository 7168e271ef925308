"""The kit without weir: a test per promise."""

import json
import unittest
from datetime import timedelta

import weir
from weir import _describe


class Actions(unittest.TestCase):
    def test_values_of_annotations_are_written_as_kubernetes_writes_them_and_none_removes(self):
        made = weir.annotate({"a": True, "b": 3, "c": None, "d": "grüß"})
        self.assertEqual(made.fields["values"], [("a", "true"), ("b", "3"), ("c", None), ("d", "grüß")])

    def test_objects_become_json_and_text_is_left_as_it_is(self):
        self.assertEqual(weir.create({"a": "ü"}).fields["manifest"], '{"a":"ü"}')
        self.assertEqual(weir.create("kind: Pod").fields["manifest"], "kind: Pod")

    def test_waits_are_rounded_up_and_cut_to_what_the_contract_can_name(self):
        waits = [(0.0001, 1), (1.5, 1500), (timedelta(minutes=1), 60_000), (timedelta(days=365), 2**31 - 1)]
        for wait, expected in waits:
            self.assertEqual(weir.requeue_after(wait).fields["ms"], expected)
        with self.assertRaises(ValueError):
            weir.requeue_after(-1)

    def test_a_wrong_word_is_refused_where_it_is_written(self):
        for wrong in (lambda: weir.patch({}, format="yaml"), lambda: weir.emit("A", severity="bad"),
                      lambda: weir.delete(propagation="up"), lambda: weir.log("a", level="loud")):
            with self.assertRaisesRegex(ValueError, "is one of"):
                wrong()

    def test_what_the_contract_cannot_hold_is_refused_where_it_is_written(self):
        key = weir.ObjectKey("v1", "Pod", None, "a")
        wrong = [
            lambda: weir.annotate({1: "a"}), lambda: weir.emit("Reason", 3), lambda: weir.emit("A", regarding="a"),
            lambda: weir.patch({}, target={"name": "a"}), lambda: weir.apply({}, force=1), lambda: weir.fail("later"),
            lambda: weir.delete(key, grace_period_seconds=1.5), lambda: weir.http("GET", "https://a", headers={"a": 1}),
            lambda: weir.ObjectKey("v1", "Pod", 3, "a"), lambda: weir.RetryLater("soon"),
        ]
        for make in wrong:
            with self.assertRaises(TypeError):
                make()
        # Half a letter, as JSON may hold it.
        for make in (lambda: weir.annotate({"a": "\ud800"}), lambda: weir.create('{"a":"\ud800"}'),
                     lambda: weir.delete(key, grace_period_seconds=2**32), lambda: weir.RetryLater(-1)):
            with self.assertRaises(ValueError):
                make()

    def test_equal_actions_are_equal(self):
        self.assertEqual(weir.label({"a": 1}), weir.label({"a": "1"}))
        self.assertNotEqual(weir.label({"a": 1}), weir.annotate({"a": 1}))


class Descriptions(unittest.TestCase):
    def setUp(self):
        for kept in (_describe._watches, _describe._handlers, _describe._spec):
            kept.clear()

    def test_decorated_functions_are_described_and_found_by_their_watch(self):
        weir.describe("Does things", reads=[{"apiVersion": "v1", "kind": "Pod"}])

        @weir.watch("nodes", "v1", "Node", fields=[], resync=timedelta(seconds=30))
        def nodes(event):
            return [weir.annotate({"name": event.key.name})]

        weir.watch("pods", "v1", "Pod")(lambda event: None)
        described = json.loads(_describe.description())
        self.assertEqual(described["watches"][0], {
            "name": "nodes", "apiVersion": "v1", "kind": "Node", "fields": [], "resync": "30000ms"})
        self.assertEqual(described["reads"], [{"apiVersion": "v1", "kind": "Pod"}])
        self.assertIs(_describe.handler_of("nodes"), nodes)
        event = weir.Event("updated", weir.ObjectKey("v1", "Node", None, "a"))
        self.assertEqual(nodes(event), [weir.annotate({"name": "a"})])

    def test_a_watch_that_has_no_function_is_named_with_those_that_have(self):
        for name in ("pods", "nodes"):
            weir.watch(name, "v1", "Pod")(lambda event: None)
        with self.assertRaisesRegex(weir.Permanent, "'flags'.*: pods, nodes"):
            _describe.handler_of("flags")

    def test_one_name_twice_and_no_watch_at_all_are_mistakes(self):
        with self.assertRaisesRegex(ValueError, "watches nothing"):
            _describe.description()
        weir.watch("pods", "v1", "Pod")(lambda event: None)
        with self.assertRaisesRegex(ValueError, "already"):
            weir.watch("pods", "v1", "Pod")


class Events(unittest.TestCase):
    def test_states_are_parsed_and_the_last_call_is_told(self):
        key = weir.ObjectKey("v1", "Pod", "a", "b")
        event = weir.Event("deleted", key, object_json='{"a": 1}', previous_json='{"a": 0}')
        self.assertEqual((event.object, event.previous, event.is_ending), ({"a": 1}, {"a": 0}, True))
        self.assertIsNone(weir.Event("added", key).previous)
        self.assertEqual(str(key), "v1/Pod a/b")


    def test_json_is_parsed_unless_it_would_exhaust_the_stack(self):
        deep = '{"a":' * 500 + "[]" + "}" * 500
        for text in (deep.replace("[]", "1"), json.dumps(["[" * 600, '\\"{' * 600]), "[" + ",".join(["[{}]"] * 600) + "]"):
            self.assertEqual(weir.parse(text), json.loads(text))
        for text in (deep, "[" * 100_000, '["\\\\",' + deep + "]"):
            with self.assertRaisesRegex(weir.Permanent, "deeper than 500"):
                weir.parse(text)
        with self.assertRaises(ValueError):
            weir.parse("{")


class Host(unittest.TestCase):
    def test_an_exception_that_cannot_say_itself_is_told_by_its_type(self):
        class Mute(Exception):
            def __str__(self):
                raise ValueError("no words")

        self.assertIn("Mute", weir._errors.reason(Mute()))

    def test_outside_of_weir_a_question_says_so(self):
        for question in (weir.settings, weir.now, lambda: weir.cluster.get("v1", "Pod", "a"),
                         lambda: list(weir.cluster.list("v1", "Pod")), lambda: weir.subject.get("/a")):
            with self.assertRaisesRegex(weir.Unavailable, "no weir here"):
                question()

    def test_a_denied_read_is_permanent_and_an_outage_is_not(self):
        self.assertTrue(issubclass(weir.Denied, weir.Permanent))
        self.assertFalse(issubclass(weir.Unavailable, weir.Permanent))


if __name__ == "__main__":
    unittest.main()
