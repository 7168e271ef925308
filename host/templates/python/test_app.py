"""Needs no weir but its kit, which `weir new` and `weir build` write into .weir/."""

import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent / ".weir/python"))

import app
import weir


class Counting(unittest.TestCase):
    def test_images_are_counted(self):
        node = {"status": {"images": [{"names": ["a"]}, {"names": ["b"]}]}}
        event = weir.Event("updated", weir.ObjectKey("v1", "Node", None, "a"), object_json=json.dumps(node))
        self.assertEqual(app.nodes(event), [weir.annotate({"example.com/images": 2})])
