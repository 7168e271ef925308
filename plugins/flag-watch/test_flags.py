"""What is said about flags, and what the handler answers, without weir: a test per promise."""

import json
import unittest
from unittest import mock

import weir

import app
import flags

NOON, LATER = 1_767_268_800.9, 1_767_268_860.0
SOUND = {"state": "ENABLED", "variants": {"red": "#f00", "green": "#0f0"}, "defaultVariant": "red"}


def flag(**changed):
    return {name: value for name, value in {**SOUND, **changed}.items() if value is not ...}


def only(**changed):
    return flags.problems_of(flag(**changed))


class Flags(unittest.TestCase):
    def test_a_sound_flag_has_no_problems_whatever_the_type_of_its_variants(self):
        for variants in ({"red": True}, {"red": 1, "green": 2.5}, {"red": {"a": 1}, "green": {}}):
            self.assertEqual(only(variants=variants), [])

    def test_each_mistake_is_named_with_what_is_allowed(self):
        mistakes = [
            (dict(state=...), "state is missing, and must be ENABLED or DISABLED"),
            (dict(state="enabled"), 'state is "enabled", and must be ENABLED or DISABLED'),
            (dict(variants=...), "variants is no object with at least one variant"),
            (dict(variants={}), "variants is no object with at least one variant"),
            (dict(variants={"red": "#f00", "green": 1}), "its variants are of several types: number, string"),
            (dict(variants={"red": True, "green": 1}), "its variants are of several types: boolean, number"),
            (dict(variants={"red": [1]}), "its variants are of type list, and must be boolean, string, number or object"),
            (dict(defaultVariant=...), "defaultVariant is missing, which is not among its variants: green, red"),
            (dict(defaultVariant="blue"), 'defaultVariant is "blue", which is not among its variants: green, red'),
            (dict(defaultVariant=["red"]), 'defaultVariant is ["red"], which is not among its variants: green, red'),
            (dict(targeting={"if": [True, "blue"]}), 'its targeting names "blue", which is not among its variants: green, red'),
        ]
        for changed, problem in mistakes:
            with self.subTest(problem):
                self.assertEqual(only(**changed), [problem])
        self.assertEqual(flags.problems_of("on"), ["it is no object"])

    def test_several_mistakes_of_one_flag_are_all_told(self):
        self.assertEqual(len(only(state="on", defaultVariant="blue", targeting="pink")), 3)


class Targeting(unittest.TestCase):
    def test_what_a_rule_names_by_itself_is_found_and_conditions_are_not_taken_for_it(self):
        rules = [
            (None, []), ({}, []), ("red", ["red"]), (True, ["true"]),
            ({"if": [{"==": [{"var": "a"}, "no variant"]}, "red"]}, ["red"]),
            ({"if": ["a", "red", "b", "green", "else"]}, ["red", "green", "else"]),
            ({"if": ["a", "red", {"if": ["b", "green", None]}]}, ["red", "green"]),
            ({"if": ["a", {"fractional": [{"var": "email"}, ["red", 50], ["green", 50]]}]}, ["red", "green"]),
            ({"fractional": [["red"], [{"var": "x"}, 1], []]}, ["red"]),
            ({"==": [{"var": "a"}, "no variant"]}, []),
        ]
        for rule, named in rules:
            with self.subTest(rule):
                self.assertEqual(list(flags.named_by(rule)), named)

    def test_a_rule_of_any_depth_ends(self):
        rule = "blue"
        for _ in range(flags.DEEPEST + 1):
            rule = {"if": ["a", rule]}
        self.assertEqual(list(flags.named_by(rule)), [])


class Verdicts(unittest.TestCase):
    def test_an_object_and_json_text_of_it_are_the_same(self):
        spec = {"flags": {"colour": SOUND, "off": flag(state="DISABLED")}}
        verdict = flags.judge(spec)
        self.assertEqual(verdict, flags.judge(json.dumps(spec)))
        self.assertTrue(verdict.is_valid)
        self.assertEqual((verdict.reason, verdict.message), ("FlagsValid", "2 flags, 1 enabled"))

    def test_what_holds_no_flags_is_unreadable_and_says_why(self):
        for spec, why in [(None, "is missing"), ([], "is no object"), ("{", "read as JSON: "), ("3", "is no object"), ({}, "flags is missing"),
                          ({"flags": []}, "flags is no object"), ("[" * 100_000, "deeper than 500"), ('{"flags": {"\\ud800": {}}}', "surrogates")]:
            verdict = flags.judge(spec)
            self.assertEqual((verdict.is_valid, verdict.reason), (False, "Unreadable"))
            self.assertIn(why, verdict.message)

    def test_no_flags_at_all_are_sound(self):
        self.assertEqual(flags.judge({"flags": {}}).message, "0 flags, 0 enabled")

    def test_problems_name_their_flag_and_are_bounded(self):
        verdict = flags.judge({"flags": {"colour": SOUND, **{f"{n}" * 300: flag(state="on") for n in range(12)}}})
        self.assertEqual((verdict.reason, len(verdict.flags)), ("InvalidFlags", 13))
        self.assertEqual(len(verdict.told), flags.MOST_PROBLEMS + 1)
        self.assertEqual(verdict.told[-1], "and 2 more")
        self.assertLess(len(verdict.message), 32_768)
        self.assertTrue(verdict.message.startswith("flag 000"))


class Conditions(unittest.TestCase):
    good, bad = flags.judge({"flags": {}}), flags.judge(None)

    def test_the_time_moves_only_when_the_status_does(self):
        first = flags.conditions(self.good, None, 1, NOON)
        self.assertEqual(first, [{"type": "Valid", "status": "True", "reason": "FlagsValid", "message": "0 flags, 0 enabled",
                                  "lastTransitionTime": "2026-01-01T12:00:00Z", "observedGeneration": 1}])
        another = flags.judge({"flags": {"colour": SOUND}})
        same = flags.conditions(another, first, 2, LATER)[0]
        self.assertEqual((same["lastTransitionTime"], same["observedGeneration"]), ("2026-01-01T12:00:00Z", 2))
        self.assertEqual(same["message"], "1 flag, 1 enabled")
        moved = flags.conditions(self.bad, first, 3, LATER)[0]
        self.assertEqual((moved["status"], moved["lastTransitionTime"]), ("False", "2026-01-01T12:01:00Z"))

    def test_the_conditions_of_others_stay(self):
        other = {"type": "Synced", "status": "True"}
        written = flags.conditions(self.good, [{"type": "Valid", "status": "False"}, other], 1, NOON)
        self.assertEqual([one["type"] for one in written], ["Synced", "Valid"])
        self.assertEqual(written[0], other)


class Answers(unittest.TestCase):
    def answer(self, spec, status=None):
        key = weir.ObjectKey("core.openfeature.dev/v1alpha2", app.KIND, "shop", "colours")
        seen = {"metadata": {"generation": 4}, "spec": spec, "status": status}
        event = weir.Event("added", key, uid="u-1", object_json=json.dumps(seen))
        with mock.patch.object(weir, "now", return_value=NOON):
            applied, status = app.check(event)
        self.assertEqual((applied.kind, status.kind), ("apply", "set-status"))
        return json.loads(applied.fields["manifest"]), json.loads(status.fields["status"])["conditions"]

    def test_the_summary_is_owned_by_the_flags(self):
        summed, _ = self.answer({"featureFlagSpec": {"flags": {"colour": SOUND}}})
        self.assertEqual((summed["metadata"]["name"], summed["metadata"]["namespace"]), ("colours-flags", "shop"))
        self.assertEqual(summed["metadata"]["ownerReferences"], [
            {"apiVersion": "core.openfeature.dev/v1alpha2", "kind": app.KIND, "name": "colours", "uid": "u-1", "controller": True}])
        self.assertEqual(summed["data"], {"valid": "true", "flags": "1", "enabled": "1",
                                          "flags.json": '{"colour": {"defaultVariant": "red", "state": "ENABLED"}}'})

    def test_problems_are_in_the_condition_and_in_the_summary(self):
        summed, (condition,) = self.answer({"featureFlagSpec": {"flags": {"colour": flag(defaultVariant="blue")}}})
        self.assertEqual((condition["status"], condition["reason"], condition["observedGeneration"]), ("False", "InvalidFlags", 4))
        self.assertEqual(summed["data"]["problems"], condition["message"])
        self.assertEqual(summed["data"]["valid"], "false")

    def test_an_empty_object_is_an_answer_too(self):
        for spec in (None, {}):
            _, (condition,) = self.answer(spec)
            self.assertEqual((condition["reason"], condition["message"]), ("Unreadable", "featureFlagSpec is missing"))


if __name__ == "__main__":
    unittest.main()
