"""Draws the points of pareto.json: python3 bench/pareto/plot.py build/bench/pareto.json docs/pareto.png"""

import json
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

FLOAT = {"resnet20": 81.02, "mobilenet": 84.6}

source, target = sys.argv[1:3]
with open(source) as file:
    points = json.load(file)
cases = list(dict.fromkeys(point["case"] for point in points))
figure, axes = plt.subplots(1, len(cases), figsize=(5 * len(cases), 4), squeeze=False)
for axis, case in zip(axes[0], cases):
    own = sorted((p["seconds"], 100 * p["top1"]) for p in points if p["case"] == case)
    axis.plot(*zip(*own), "o-", color="tab:blue")
    axis.axhline(FLOAT[case.split("-")[0]], linestyle="--", color="grey", label="float")
    axis.set_xscale("log")
    axis.set_xlabel("seconds, file to file")
    axis.set_ylabel("top-1, %")
    axis.set_title(case)
    axis.grid(alpha=0.3)
    axis.legend()
figure.tight_layout()
figure.savefig(target, dpi=110)
