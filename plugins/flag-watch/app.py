"""flag-watch says whether feature flags are sound: a status condition on each set of them, and a ConfigMap that sums it up.

What is said is decided in `flags.py`, without weir; here is what the handler watches and how it answers.
"""

import weir

import flags

KIND = "FeatureFlagConfiguration"

weir.describe(
    "Checks feature flags against their declared variants, and says so in a status condition and a ConfigMap",
    wants={"write": [
        {"apiVersion": "core.openfeature.dev/v1alpha2", "kind": KIND, "actions": ["set-status"]},
        {"apiVersion": "v1", "kind": "ConfigMap", "actions": ["apply"]},
    ]})


# Deletions are not asked for: the ConfigMap goes with its owner.
@weir.watch("flags", "core.openfeature.dev/v1alpha2", KIND, events=["initial", "added", "updated", "resync"], resync=60,
            fields=["/metadata/generation", "/spec/featureFlagSpec", "/status/conditions"], changed=["/metadata/generation"])
def check(event):
    seen = event.object
    verdict = flags.judge((seen.get("spec") or {}).get("featureFlagSpec"))
    before = (seen.get("status") or {}).get("conditions")
    written = flags.conditions(verdict, before, seen["metadata"].get("generation"), weir.now())
    # What says that it was done comes last.
    return [weir.apply(flags.summary(verdict, event.key, event.uid)), weir.set_status({"conditions": written})]
