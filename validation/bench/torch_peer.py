#!/usr/bin/env python3
"""The peer of train_bench: the same training step in PyTorch, as fast as the installed version allows.

usage: torch_peer.py [options of train_bench] [--compile auto|yes|no]
Same shapes, threads, precision (bfloat16: autocast), loss over kept rows only, clipping, AdamW in muP's groups. Used
where the version has them: scaled_dot_product_attention, fused AdamW, torch.compile (auto: from 2.2 on); before, the
best there was. One step before the measured ones prepares what is prepared once; the median counts.
SPDX-License-Identifier: Apache-2.0
"""

import argparse
import math
import os
import re
import resource
import statistics
import time

SIZES = {  # paper, Table 2
    "13M": (2, 128, 4), "28M": (4, 256, 4), "61M": (7, 448, 8), "113M": (10, 640, 10),
    "224M": (14, 896, 14), "521M": (20, 1280, 10), "1030M": (26, 1664, 16), "1816M": (32, 2048, 16),
}  # fmt: skip
BASE_WIDTH = 256


def read_options():
    parser = argparse.ArgumentParser(description="Training speed of the same model in PyTorch.")
    parser.add_argument("--size", default="13M")
    parser.add_argument("--vocabulary", type=int, default=100288)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--sequences", type=int, default=4)
    parser.add_argument("--micro-sequences", type=int, default=0)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--mask-share", type=float, default=0.0)
    parser.add_argument("--compile", choices=("auto", "yes", "no"), default="auto")
    parser.add_argument("--no-header", action="store_true")
    options = parser.parse_args()
    options.micro_sequences = min(options.micro_sequences or options.sequences, options.sequences)
    return options


def shape_of(size):
    if size in SIZES:
        return SIZES[size]
    match = re.fullmatch(r"L(\d+)-D(\d+)-H(\d+)", size)
    if not match:
        raise SystemExit(f'torch_peer.py: unknown size "{size}": give one of {", ".join(SIZES)} or such as L2-D128-H4')
    return tuple(map(int, match.groups()))


options = read_options()
# Before torch is loaded: its BLAS may keep threads of its own.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(options.threads)

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

VERSION = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])


def norm(x, gain):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 2.0**-23) * gain


def attention(q, k, v, mask):
    """Causal, scores divided by the head size. q, k, v: [B, H, T, K]."""
    size = q.shape[-1]
    if VERSION >= (2, 1):
        return functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=1 / size)
    if VERSION >= (2, 0):
        return functional.scaled_dot_product_attention(q * size**-0.5, k, v, is_causal=True)
    shape = q.shape
    q, k, v = (x.flatten(0, 1) for x in (q, k, v))
    scores = torch.baddbmm(mask.to(q.dtype), q, k.transpose(1, 2), alpha=1 / size)
    return torch.bmm(torch.softmax(scores, -1), v).view(shape)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.Parameter(torch.ones(width))
        self.norm2 = nn.Parameter(torch.ones(width))
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.projection = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x, cosine, sine, mask):
        batch, length, width = x.shape
        half = width // self.heads // 2
        qkv = self.qkv(norm(x, self.norm1)).view(batch, length, 3 * self.heads, 2 * half)
        turned, v = qkv[:, :, : 2 * self.heads], qkv[:, :, 2 * self.heads :]
        a, b = turned[..., :half], turned[..., half:]  # queries and keys at once
        cosine, sine = cosine.to(a.dtype), sine.to(a.dtype)
        q, k = torch.cat((a * cosine - b * sine, a * sine + b * cosine), -1).chunk(2, 2)
        mixed = attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), mask)
        x = x + self.projection(mixed.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(functional.relu(self.up(norm(x, self.norm2))).square())


class Model(nn.Module):
    def __init__(self, shape, vocabulary, context):
        super().__init__()
        layers, width, heads = shape
        self.output_multiplier = BASE_WIDTH / width
        self.embedding = nn.Parameter(torch.empty(vocabulary, width).normal_(0, 0.02))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.Parameter(torch.ones(width))
        half = width // heads // 2
        angles = torch.arange(context)[:, None] * 10000.0 ** (-torch.arange(half) / half)
        self.register_buffer("cosine", angles.cos()[:, None])
        self.register_buffer("sine", angles.sin()[:, None])
        self.register_buffer("mask", torch.full((1, context, context), -math.inf).triu(1))

    def stream(self, inputs):
        x = functional.embedding(inputs, self.embedding)
        for block in self.blocks:
            x = block(x, self.cosine, self.sine, self.mask)
        return x

    def losses(self, x, targets):
        logits = functional.linear(norm(x, self.norm) * self.output_multiplier, self.embedding)
        return functional.cross_entropy(logits, targets, reduction="sum")

    def forward(self, inputs, targets, kept):
        """Sum over kept rows; kept: their numbers, or None for all."""
        x = self.stream(inputs).flatten(0, 1)
        targets = targets.flatten()
        if kept is not None:
            x, targets = x[kept], targets[kept]
        return self.losses(x, targets)


def optimiser_of(model, width):
    multiplier = width / BASE_WIDTH
    matrices = [p for p in model.blocks.parameters() if p.dim() == 2]
    gains = [p for p in model.parameters() if p.dim() == 1]
    groups = [
        {"params": [model.embedding]},
        {"params": matrices, "lr": 1e-3 / multiplier},
        {"params": gains, "weight_decay": 0.0},
    ]
    fast = {"fused": True} if VERSION >= (2, 4) else {"foreach": True}
    return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1, **fast), list(fast)[0]


def step(model, adamw, micro_batches, total, precision):
    adamw.zero_grad(set_to_none=True)
    loss = 0.0
    for inputs, targets, kept in micro_batches:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            part = model(inputs, targets, kept) / total
        part.backward()
        loss += part.item()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    adamw.step()
    return loss


def draw(options, generator):
    """Micro-batches of random tokens and the number of kept rows."""
    size = (options.sequences, options.context)
    inputs, targets = (torch.randint(options.vocabulary, size, generator=generator) for _ in range(2))
    masked = torch.rand(size, generator=generator) < options.mask_share
    parts, split = [], options.micro_sequences
    for i, t, m in zip(inputs.split(split), targets.split(split), masked.split(split)):
        parts.append((i, t, (~m).flatten().nonzero()[:, 0] if options.mask_share > 0 else None))
    return parts, max(1, (~masked).sum().item())


def training_flops(shape, vocabulary, context, kept):
    layers, width, _ = shape
    return 6 * (12 * layers * width**2 + vocabulary * width * kept) + 6 * layers * width * context


def ceiling(precision):
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    a, b = (torch.rand(2048, 2048).to(dtype) for _ in range(2))
    best = math.inf
    for i in range(6):
        start = time.perf_counter()
        a @ b.T
        best = min(best, time.perf_counter() - start) if i else best
    return 2 * 2048**3 / best


def main():
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    shape = shape_of(options.size)
    model = Model(shape, options.vocabulary, options.context)
    adamw, kind = optimiser_of(model, shape[1])
    compiled = options.compile == "yes" or (options.compile == "auto" and VERSION >= (2, 2))
    trained = torch.compile(model, dynamic=False if options.mask_share == 0 else None) if compiled else model
    generator, seconds, kept = torch.Generator().manual_seed(1), [], []
    for number in range(options.steps + (3 if compiled else 1)):
        parts, total = draw(options, generator)
        start = time.perf_counter()
        step(trained, adamw, parts, total, options.precision)
        seconds.append(time.perf_counter() - start)
        kept.append(total / (options.sequences * options.context))
    seconds, kept = seconds[-options.steps :], statistics.mean(kept[-options.steps :])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rate = options.sequences * options.context / statistics.median(seconds)
    flops = rate * training_flops(shape, options.vocabulary, options.context, kept)
    if not options.no_header:
        print(f"PyTorch {torch.__version__}, AdamW {kind}, "
              f"{'scaled_dot_product_attention' if VERSION >= (2, 0) else 'baddbmm attention'}, "
              f"{'compiled' if compiled else 'eager'}, {torch.backends.cpu.get_cpu_capability() if VERSION >= (2, 0) else ''}")
        print(f"{'engine':10s} {'size':10s} {'precision':9s} {'vocab':>8s} {'context':>7s} {'seq':>4s} {'threads':>7s} "
              f"{'kept':>6s} {'s/step':>10s} {'tokens/s':>10s} {'GFLOP/s':>10s} {'GEMM %':>6s} {'peak MiB':>9s}")
    print(f"{'PyTorch':10s} {options.size:10s} {options.precision:9s} {options.vocabulary:8d} {options.context:7d} "
          f"{options.sequences:4d} {options.threads:7d} {kept:6.3f} {statistics.median(seconds):10.4f} {rate:10.1f} "
          f"{flops / 1e9:10.2f} {100 * flops / ceiling(options.precision):6.1f} {peak:9.1f}")


if __name__ == "__main__":
    main()
