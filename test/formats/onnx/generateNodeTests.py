"""Writes ONNX's own node tests, as `backend-test-tools generate-data` does, into the folder named on the command
line. The generators use names that NumPy 1.24 dropped, so these are put back first."""

import sys

import numpy as np

for name, builtin in {"bool": bool, "float": float, "int": int, "object": object}.items():
    if name not in np.__dict__:
        setattr(np, name, builtin)

from onnx.backend.test import cmd_tools  # noqa: E402 (after NumPy is patched)

sys.argv = ["backend-test-tools", "generate-data", "-o", sys.argv[1]]
cmd_tools.main()
