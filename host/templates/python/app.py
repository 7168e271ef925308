"""A weir handler that annotates each node with the number of its images."""

import weir

weir.describe("Annotates each node with the number of its images",
              wants={"write": [{"apiVersion": "v1", "kind": "Node", "actions": ["annotate"]}]})


@weir.watch("nodes", "v1", "Node", fields=["/status/images"])
def nodes(event):
    images = event.object.get("status", {}).get("images", [])
    return [weir.annotate({"example.com/images": len(images)})]
