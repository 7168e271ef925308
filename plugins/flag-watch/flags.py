"""What is to be said about one set of feature flags: pure functions of what the custom resource holds.

A flag is sound if flagd can serve it: it is ENABLED or DISABLED, has variants, all of one type, and names as its default, and
wherever its targeting names one by itself, only variants that it has. Other rules of targeting are not looked at.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone

import weir

STATES = ("ENABLED", "DISABLED")
VALID = "Valid"
"""The type of the one condition that is written; those of others are kept."""
MOST_PROBLEMS = 10
"""As many are told, then how many more there are."""
LONGEST_PROBLEM = 200
"""Characters of one problem; names and values are the author's, of any length."""
DEEPEST = 32
"""How far into a targeting rule is looked."""


class Unreadable(Exception):
    """There are no flags to be found."""


@dataclass(frozen=True)
class Verdict:
    """What was found. `flags` are those that could be read, `problems` one line each, in the order of the flags."""

    reason: str
    flags: dict = field(default_factory=dict)
    problems: tuple = ()

    @property
    def is_valid(self) -> bool:
        return not self.problems

    @property
    def enabled(self) -> int:
        return sum(1 for flag in self.flags.values() if flag["state"] == "ENABLED")

    @property
    def message(self) -> str:
        if self.is_valid:
            return f"{_count(len(self.flags), 'flag')}, {self.enabled} enabled"
        return "; ".join(self.told)

    @property
    def told(self) -> list:
        """The problems, as many as are told."""
        more = len(self.problems) - MOST_PROBLEMS
        lines = [_cut(problem) for problem in self.problems[:MOST_PROBLEMS]]
        return lines + [f"and {more} more"] if more > 0 else lines


def judge(spec) -> Verdict:
    """Judges the `featureFlagSpec`: an object (v1alpha2, v1alpha3) or JSON text of one (v1alpha1)."""
    try:
        flags = read(spec)
    except Unreadable as problem:
        return Verdict("Unreadable", problems=(str(problem),))
    problems = [f"flag {name}: {problem}" for name, flag in flags.items() for problem in problems_of(flag)]
    readable = {name: {"state": flag.get("state"), "defaultVariant": flag.get("defaultVariant")}
                for name, flag in flags.items() if isinstance(flag, dict)}
    return Verdict("InvalidFlags" if problems else "FlagsValid", readable, tuple(problems))


def read(spec) -> dict:
    """The flags by name."""
    if isinstance(spec, str):
        try:
            spec = weir.parse(spec)
            # JSON may hold halves of letters, which nothing that is written may.
            json.dumps(spec, ensure_ascii=False).encode()
        except (ValueError, weir.Permanent) as error:
            raise Unreadable(f"featureFlagSpec cannot be read as JSON: {error}") from None
    if not isinstance(spec, dict):
        raise Unreadable("featureFlagSpec is missing" if spec is None else "featureFlagSpec is no object")
    flags = spec.get("flags")
    if not isinstance(flags, dict):
        raise Unreadable("featureFlagSpec.flags is missing" if flags is None else "featureFlagSpec.flags is no object")
    return flags


def problems_of(flag) -> list:
    """What is wrong with one flag."""
    if not isinstance(flag, dict):
        return ["it is no object"]
    problems = []
    if flag.get("state") not in STATES:
        problems.append(f"state is {_shown(flag, 'state')}, and must be ENABLED or DISABLED")
    variants = flag.get("variants")
    if not isinstance(variants, dict) or not variants:
        return problems + ["variants is no object with at least one variant"]
    kinds = sorted({_kind(value) for value in variants.values()})
    if len(kinds) > 1:
        problems.append(f"its variants are of several types: {', '.join(kinds)}")
    elif kinds == ["null"] or kinds == ["list"]:
        problems.append(f"its variants are of type {kinds[0]}, and must be boolean, string, number or object")
    known = ", ".join(sorted(variants))
    chosen = flag.get("defaultVariant")
    if not isinstance(chosen, str) or chosen not in variants:
        problems.append(f"defaultVariant is {_shown(flag, 'defaultVariant')}, which is not among its variants: {known}")
    # In the order in which they stand, each once.
    for name in dict.fromkeys(named_by(flag.get("targeting"))):
        if name not in variants:
            problems.append(f"its targeting names {json.dumps(name, ensure_ascii=False)}, which is not among its variants: {known}")
    return problems


def named_by(rule, depth=DEEPEST):
    """The variants that a targeting rule names by itself: as a value, in the branches of `if`, in the shares of `fractional`.

    What an operator computes is not known before there is somebody to target.
    """
    if isinstance(rule, bool):
        yield "true" if rule else "false"
    elif isinstance(rule, str):
        yield rule
    elif isinstance(rule, dict) and len(rule) == 1 and depth > 0:
        operator, given = next(iter(rule.items()))
        given = given if isinstance(given, list) else [given]
        if operator == "if":
            # Condition and answer in turn; a last one without a condition is the answer else.
            for answer in given[1::2] + (given[-1:] if len(given) % 2 else []):
                yield from named_by(answer, depth - 1)
        elif operator == "fractional":
            yield from (share[0] for share in given if isinstance(share, list) and share and isinstance(share[0], str))


def conditions(verdict: Verdict, before, generation, now: float) -> list:
    """The conditions to write: those of others as they are, and ours, whose time moves only when its status does."""
    before = [one for one in before or () if isinstance(one, dict)]
    status = "True" if verdict.is_valid else "False"
    ours = next((one for one in before if one.get("type") == VALID), {})
    moved = datetime.fromtimestamp(int(now), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    since = ours.get("lastTransitionTime", moved) if ours.get("status") == status else moved
    fresh = {"type": VALID, "status": status, "reason": verdict.reason, "message": verdict.message,
             "lastTransitionTime": since}
    if generation is not None:
        fresh["observedGeneration"] = generation
    return [one for one in before if one.get("type") != VALID] + [fresh]


def summary(verdict: Verdict, owner, uid: str) -> dict:
    """The ConfigMap about the flags of `owner`, which goes when its owner goes. What is said no more is left out, so it is removed."""
    data = {"valid": str(verdict.is_valid).lower(), "flags": str(len(verdict.flags)), "enabled": str(verdict.enabled),
            "flags.json": json.dumps(verdict.flags, ensure_ascii=False, sort_keys=True)}
    if not verdict.is_valid:
        data["problems"] = "\n".join(verdict.told)
    reference = {"apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": uid, "controller": True}
    return {"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": f"{owner.name}-flags", "namespace": owner.namespace,
                         "labels": {"app.kubernetes.io/managed-by": "flag-watch"}, "ownerReferences": [reference]},
            "data": data}


def _kind(value) -> str:
    for name, types in (("boolean", bool), ("string", str), ("number", (int, float)), ("object", dict), ("list", list)):
        if isinstance(value, types):
            return name
    return "null"


def _shown(flag: dict, name: str) -> str:
    return json.dumps(flag[name], ensure_ascii=False) if name in flag else "missing"


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_PROBLEM else text[:LONGEST_PROBLEM - 1] + "…"
