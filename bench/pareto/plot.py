"""Draws the points of pareto.json: python3 bench/pareto/plot.py build/bench/pareto.json docs/pareto.png

A panel a case: every run a point, the best accuracy that a time buys as a line, the float model's dashed.
"""

import json
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FixedLocator, NullLocator

# Title and the float model's top-1 in percent, judged by onnxruntime on the same images.
CASES = {
    "resnet20-4x4": ("ResNet-20, CIFAR-10, W4A4", 81.02),
    "resnet20-2x4": ("ResNet-20, CIFAR-10, W2A4", 81.02),
    "mobilenet-4x8": ("MobileNetV1 0.75, ImageNet, W4A8", 84.80),
}
TICKS = {10: "10 s", 30: "30 s", 60: "1 min", 120: "2 min", 300: "5 min", 600: "10 min", 1800: "30 min", 3600: "1 h",
         4 * 3600: "4 h"}


def draw(axis, case, points):
    title, accuracy = CASES[case]
    runs = sorted((point["seconds"], 100 * point["top1"]) for point in points)
    best, front = 0, []
    for seconds, top1 in runs:
        if top1 > best:
            best = top1
            front.append((seconds, top1))
    axis.step(*zip(*front), where="post", color="tab:blue", linewidth=1, zorder=1)
    axis.scatter(*zip(*runs), color="tab:blue", s=28, zorder=2)
    axis.axhline(accuracy, linestyle="--", color="grey", linewidth=1)
    axis.annotate(f"float, {accuracy:.2f} %", (0.02, accuracy), xycoords=("axes fraction", "data"),
                  xytext=(0, -11), textcoords="offset points", fontsize=9, color="dimgrey")
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator(list(TICKS)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xticklabels(TICKS.values())
    axis.set_xlim(runs[0][0] / 1.5, runs[-1][0] * 1.5)
    low, high = min(top1 for _, top1 in runs), max(accuracy, best)
    margin = max(0.5, 0.1 * (high - low))
    axis.set_ylim(low - margin, high + margin)
    axis.set_xlabel("zero-shot, file to file, " + ", ".join(sorted({f"{point['cores']} cores" for point in points})))
    axis.set_ylabel("top-1, %")
    axis.set_title(title, fontsize=11)
    axis.grid(alpha=0.3)


source, target = sys.argv[1:3]
with open(source) as file:
    points = json.load(file)
cases = [case for case in CASES if any(point["case"] == case for point in points)]
figure, axes = plt.subplots(1, len(cases), figsize=(4.8 * len(cases), 3.8), squeeze=False)
for axis, case in zip(axes[0], cases):
    draw(axis, case, [point for point in points if point["case"] == case])
figure.tight_layout()
figure.savefig(target, dpi=110)
