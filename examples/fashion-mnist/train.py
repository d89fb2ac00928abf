"""Train a small residual CNN on Fashion-MNIST and export it to ONNX with its BatchNorm kept.

    python3 train.py                      # about 11 minutes on one core; see README.md

Zero-shot quantization synthesizes its calibration images from the running mean and variance of every
BatchNorm. torch.onnx.export folds them into the convolutions by default, which destroys exactly that
information: `export` below is the part to copy into a project of your own.
"""

import argparse
import gzip
import inspect
import time

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional as F

MEAN, STD = 0.2860, 0.3530  # of pixel / 255 over the training set
MAX_SHIFT = 2  # pixels, augmentation
TEST_IMAGES = 1000  # how many of the 10 000 test images are written beside the model


def load(folder, split):
    """Images [N, 28, 28] and labels [N], both uint8, from the IDX files (headers of 16 and 8 bytes)."""
    with gzip.open(f"{folder}/{split}-images-idx3-ubyte.gz") as f:
        images = np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(f"{folder}/{split}-labels-idx1-ubyte.gz") as f:
        return images.copy(), np.frombuffer(f.read(), np.uint8, offset=8).copy()


def normalize(images):
    """uint8 [N, 28, 28] -> float [N, 1, 28, 28]: (pixel / 255 - mean) / std."""
    return ((images.float() / 255 - MEAN) / STD).unsqueeze(1)


def augment(images):
    """Shift every image by up to MAX_SHIFT pixels either way and mirror half of them."""
    n, size = len(images), images.shape[-1]
    shift = torch.randint(0, 2 * MAX_SHIFT + 1, (2, n, 1))
    mirrored = torch.rand(n, 1) < 0.5
    rows = shift[0] + torch.arange(size)
    columns = shift[1] + torch.where(mirrored, torch.arange(size).flip(0), torch.arange(size))
    return F.pad(images, [MAX_SHIFT] * 4)[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None]]


class Block(nn.Module):
    """relu(bn(conv3x3(relu(bn(conv3x3(x))))) + shortcut(x)), the shortcut a 1x1 conv where the shape changes."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        # A convolution before a BatchNorm needs no bias: the mean is subtracted again.
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


def resnet(widths=(16, 32, 64), classes=10):
    """[N, 1, 28, 28] -> logits [N, classes]: a stem, one residual block a width, global average pool, linear."""
    stem = [nn.Conv2d(1, widths[0], 3, padding=1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
    blocks = [Block(i, o, 1 if i == o else 2) for i, o in zip((widths[0], *widths), widths)]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes))


def train(model, images, labels, epochs, batch=128, peak=0.2):
    """SGD with Nesterov momentum on the cross entropy, learning rate on one cycle up to `peak` and down to 0."""
    steps = len(images) // batch
    optimizer = torch.optim.SGD(model.parameters(), peak, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, epochs * steps, pct_start=0.2)
    model.train()
    for epoch in range(epochs):
        start, total = time.time(), 0.0
        for chosen in torch.randperm(len(images))[: steps * batch].split(batch):
            loss = F.cross_entropy(model(normalize(augment(images[chosen]))), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{epochs}  loss {total / steps:.4f}  {time.time() - start:.0f} s", flush=True)


def export(model, path):
    """Write ONNX with every BatchNormalization node and its running statistics, batch axis dynamic."""
    model.eval()  # BatchNorm in inference mode: running statistics, one output
    # PyTorch 2.9 made the torch.export-based exporter the default; `training` belongs to the older one.
    exporter = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    torch.onnx.export(
        model,
        torch.zeros(1, 1, 28, 28),
        path,
        training=torch.onnx.TrainingMode.PRESERVE,  # the default, EVAL, folds Conv + BatchNorm
        do_constant_folding=False,
        opset_version=13,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
        **exporter,
    )
    # Read it back: as many BatchNorms as the model has, each in inference mode, its statistics in the file.
    onnx.checker.check_model(path)
    graph = onnx.load(path).graph
    weights = {w.name for w in graph.initializer}
    kept = [n for n in graph.node if n.op_type == "BatchNormalization"]
    assert len(kept) == sum(isinstance(m, nn.BatchNorm2d) for m in model.modules()), "BatchNorm was folded"
    for node in kept:
        assert len(node.output) == 1, "BatchNorm in training mode"
        assert weights.issuperset(node.input[3:]), "running mean or variance is not in the file"


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--data", default="/usr/share/datasets/fashion-mnist", help="folder of the IDX files")
    options.add_argument("--epochs", type=int, default=15)
    options.add_argument("--seed", type=int, default=1)
    options = options.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)  # one thread adds up in one order: the same seed gives the same file

    images, labels = (torch.from_numpy(a) for a in load(options.data, "train"))
    model = resnet()
    print(f"{sum(p.numel() for p in model.parameters())} parameters")
    train(model, images, labels.long(), options.epochs)
    export(model, "fashion-resnet.onnx")

    images, labels = load(options.data, "t10k")
    with torch.no_grad():
        logits = torch.cat([model(normalize(part)) for part in torch.from_numpy(images).split(500)])
    right = logits.argmax(1).numpy() == labels
    print(f"top-1 {right.mean():.2%} of {len(right)}, {right[:TEST_IMAGES].mean():.2%} of the first {TEST_IMAGES}")
    np.save("test-images.npy", images[:TEST_IMAGES, :, :, None])
    np.save("test-labels.npy", labels[:TEST_IMAGES])


if __name__ == "__main__":
    main()
