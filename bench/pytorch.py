"""One distillation iteration of GENIE (ResNet-20, 128 images of 32x32) in PyTorch on one thread: the peer of
`iterations`. Prints the median milliseconds of CPU time an iteration.

Usage: python3 bench/pytorch.py [ITERATIONS]     (Debian: python3-torch)

Weights are random: what an iteration costs does not depend on them.
"""

import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

BATCH, LATENTS, SIZE = 128, 256, 32
WARM_UP = 2


class SwingConv2d(nn.Conv2d):
    """A strided convolution that sees its input reflect-padded by 1 and cropped back at a random offset."""

    def forward(self, x):
        height, width = x.shape[2:]
        top, left = torch.randint(0, 3, (2,)).tolist()
        padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
        return super().forward(padded[:, :, top : top + height, left : left + width])


def conv3x3(inputs, outputs, stride=1):
    kind = nn.Conv2d if stride == 1 else SwingConv2d
    return kind(inputs, outputs, 3, stride=stride, padding=1, bias=False)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = conv3x3(inputs, outputs, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv3x3(outputs, outputs), nn.BatchNorm2d(outputs)
        self.added = (outputs - inputs) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.added:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.added, self.added))
        return F.relu(x + y)


def resnet20():
    layers = [conv3x3(3, 16), nn.BatchNorm2d(16), nn.ReLU()]
    channels = 16
    for width, stride in ((16, 1), (32, 2), (64, 2)):
        for block in range(3):
            layers.append(Block(channels, width, stride if block == 0 else 1))
            channels = width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    return nn.Sequential(*layers)


def generator():
    side = SIZE // 4
    return nn.Sequential(
        nn.Linear(LATENTS, 128 * side * side),
        nn.Unflatten(1, (128, side, side)),
        nn.BatchNorm2d(128),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(128, 64, 3, padding=1),
        nn.BatchNorm2d(64),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(64, 3, 3, padding=1),
        nn.Tanh(),
        nn.BatchNorm2d(3, affine=False),
    )


def distillation():
    """Returns a function that runs one iteration."""
    teacher = resnet20().eval()
    for parameter in teacher.parameters():
        parameter.requires_grad_(False)
    seen = []
    for module in teacher.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_pre_hook(
                lambda module, inputs: seen.append((module, *torch.std_mean(inputs[0], dim=(0, 2, 3))))
            )
    images_of = generator()
    latents = torch.randn(BATCH, LATENTS, requires_grad=True)
    latent_optimizer = torch.optim.Adam([latents], lr=0.1)
    generator_optimizer = torch.optim.Adam(images_of.parameters(), lr=0.01)

    def iteration():
        latent_optimizer.zero_grad()
        generator_optimizer.zero_grad()
        seen.clear()
        images = images_of(latents)
        teacher(images)
        std, mean = torch.std_mean(images, dim=(2, 3))
        loss = (mean.square() + (std - 1).square()).sum(1).mean()
        for norm, std, mean in seen:
            target = (norm.running_var + 1e-6).sqrt()
            loss = loss + F.mse_loss(mean, norm.running_mean) + F.mse_loss(std, target)
        loss.backward()
        latent_optimizer.step()
        generator_optimizer.step()
        return loss.item()

    return iteration


def main():
    iterations = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    torch.set_num_threads(1)
    torch.manual_seed(0)
    iteration = distillation()
    times = []
    for _ in range(WARM_UP + iterations):
        start = time.process_time()
        iteration()
        times.append(1000 * (time.process_time() - start))
    print(f"{statistics.median(times[WARM_UP:]):.0f} ms an iteration")


main()
