#!/usr/bin/env python3
"""The peer of train_bench and score_bench: the same step in PyTorch, as fast as the installed version allows.

usage: torch_peer.py train|score [options of train_bench or score_bench] [--compile auto|yes|no] [--mode MODE]
                                 [--memory keep|return] [--autotune] [--blocks]
       torch_peer.py train --device cuda --size 13M:128:32,61M:128:32 ...     (size:sequences:micro-sequences, several)
       torch_peer.py score --device cuda --size 61M:32:7,224M:32:13                        (size:rows:layer, several)
       torch_peer.py attention --device cuda --shapes B:T:H:K,...
train: same shapes, threads, precision (bfloat16: autocast), loss over kept rows only, clipping, AdamW in muP's groups.
score: forward passes of the same pair of models over full rows without head, their features' product with two probes,
in inference mode with frozen weights (bfloat16: weights and activations); --group: so many blocks one after the other are
waited for once. Used where the version has them:
scaled_dot_product_attention, fused AdamW, torch.compile (auto: from 2.2 on). --memory keep: freed memory is not given
back to the system between steps, which otherwise costs page faults at every large tensor. The steps before the measured
ones prepare what is prepared once; the median counts.
--device cuda: of the attention kernels the one that is fastest at the shape (--attention best); a micro-batch that does
not fit into the memory is halved, rows of score likewise; --budget SECONDS: no further size is begun after this time. attention: forward and
backward passes of every attention kernel there is. --json FILE: a line of JSON for each figure.
SPDX-License-Identifier: Apache-2.0
"""

import argparse
import contextlib
import ctypes
import json
import math
import os
import re
import resource
import statistics
import sys
import time

SIZES = {  # paper, Table 2
    "13M": (2, 128, 4), "28M": (4, 256, 4), "61M": (7, 448, 8), "113M": (10, 640, 10),
    "224M": (14, 896, 14), "521M": (20, 1280, 10), "1030M": (26, 1664, 16), "1816M": (32, 2048, 16),
}  # fmt: skip
BASE_WIDTH = 256
PROBES = 2
BACKENDS = ("flash", "cudnn", "mem_efficient")
BEGAN = time.perf_counter()


def read_options():
    parser = argparse.ArgumentParser(description="Speed of the same work in PyTorch.")
    parser.add_argument("work", choices=("train", "score", "attention"))
    parser.add_argument("--size", default="13M")
    parser.add_argument("--vocabulary", type=int, default=100288)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--sequences", type=int, default=4, help="train: sequences of a step")
    parser.add_argument("--micro-sequences", type=int, default=0)
    parser.add_argument("--mask-share", type=float, default=0.0)
    parser.add_argument("--rows", type=int, default=8, help="score: rows of a step")
    parser.add_argument("--layer", type=int, default=0, help="score: blocks before the probes (0: all)")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--group", type=int, default=1)
    parser.add_argument("--compile", choices=("auto", "yes", "no"), default="auto")
    parser.add_argument("--mode", default="default", help="of torch.compile")
    parser.add_argument("--autotune", action="store_true", help="torch.compile tries several forms of its products")
    parser.add_argument("--memory", choices=("keep", "return"), default="keep")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--attention", choices=("best", "auto", *BACKENDS), default="best", help="cuda: which kernel")
    parser.add_argument("--shapes", default="32:2048:14:64", help="attention: B:T:H:K,...")
    parser.add_argument("--blocks", action="store_true", help="torch.compile sees a block, not the model: sooner done")
    parser.add_argument("--square", type=int, default=2048, help="size of the product that is the ceiling")
    parser.add_argument("--budget", type=float, default=math.inf)
    parser.add_argument("--json")
    parser.add_argument("--no-header", action="store_true")
    parser.add_argument("--paced", action="store_true")
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
if options.memory == "keep":
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    library = ctypes.CDLL(None)
    library.mallopt(-4, 0)  # M_MMAP_MAX: no allocation is a mapping of its own
    library.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD
    library.mallopt(-2, 1 << 28)  # M_TOP_PAD

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

VERSION = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
DEVICE = options.device
COMPILED = options.compile == "yes" or (options.compile == "auto" and VERSION >= (2, 2))


def on_device():
    """Where new tensors are made."""
    return torch.device(DEVICE) if VERSION >= (2, 0) else contextlib.nullcontext()


def synchronize():
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def clock():
    """Seconds, when all that was asked for is done."""
    synchronize()
    return time.perf_counter()


def report(kind, **figures):
    if options.json:
        with open(options.json, "a") as file:
            file.write(json.dumps({"kind": kind, **figures}) + "\n")


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
        with torch.autocast(DEVICE, dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            part = model(inputs, targets, kept) / total
        part.backward()
        loss += part.detach()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    adamw.step()
    return float(loss)


def draw(options, generator):
    """Micro-batches of random tokens and the number of kept rows."""
    size = (options.sequences, options.context)
    inputs, targets = (torch.randint(options.vocabulary, size, generator=generator, device=DEVICE) for _ in range(2))
    masked = torch.rand(size, generator=generator, device=DEVICE) < options.mask_share
    parts, split = [], options.micro_sequences
    for i, t, m in zip(inputs.split(split), targets.split(split), masked.split(split)):
        parts.append((i, t, (~m).flatten().nonzero()[:, 0] if options.mask_share > 0 else None))
    return parts, max(1, (~masked).sum().item())


def training_flops(shape, vocabulary, context, kept):
    layers, width, _ = shape
    return 6 * (12 * layers * width**2 + vocabulary * width * kept) + 6 * layers * width * context


def forward_flops(shape, layers, context):
    return 24 * layers * shape[1] ** 2 + 2 * layers * shape[1] * context


def ceiling(precision):
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    side = options.square
    a, b = ((torch.rand(side, side, device=DEVICE) - 0.5).to(dtype) for _ in range(2))
    best = math.inf
    for i in range(24):
        start = clock()
        a @ b.T
        best = min(best, clock() - start) if i else best
    return 2 * side**3 / best


def compiled(function, dynamic):
    if not COMPILED:
        return function
    settings = {"mode": options.mode} if options.mode != "default" else {}
    return torch.compile(function, dynamic=dynamic, **settings)


def attention_backend(name):
    """From now on this one is used, or any of them (None)."""
    for other in BACKENDS:
        enable = getattr(torch.backends.cuda, f"enable_{other}_sdp", None)
        if enable:
            enable(name in (None, other))
    torch.backends.cuda.enable_math_sdp(name is None)


def attention_times(shape, backend):
    """Seconds of a forward and a backward pass; infinite where the kernel does not take the shape."""
    batch, length, heads, size = shape
    dtype = torch.bfloat16 if options.precision == "bfloat16" else torch.float32
    # As a model has them: views into one array, heads beside each other.
    qkv = torch.randn(batch, length, 3 * heads, size, dtype=dtype, device=DEVICE)
    gradient = torch.randn(batch, heads, length, size, dtype=dtype, device=DEVICE)
    attention_backend(backend)
    seconds = [math.inf, math.inf]
    try:
        for _ in range(5):
            q, k, v = (x.transpose(1, 2) for x in qkv.chunk(3, 2))
            q, k, v = (x.detach().requires_grad_() for x in (q, k, v))
            begin = clock()
            for _ in range(10):
                out = attention(q, k, v, None)
            middle = clock()
            for _ in range(10):
                torch.autograd.grad(out, (q, k, v), gradient, retain_graph=True)
            seconds = [min(seconds[0], (middle - begin) / 10), min(seconds[1], (clock() - middle) / 10)]
    except RuntimeError as failure:
        if "out of memory" in str(failure):
            raise
        seconds = [math.inf, math.inf]
    attention_backend(None)
    return seconds


def best_backend(shape, forward_alone=False):
    if options.attention != "best":
        return None if options.attention == "auto" else options.attention
    batch = max(1, 32768 // shape[1])
    times = {name: attention_times((batch, *shape[1:]), name) for name in BACKENDS}
    times = {name: forward if forward_alone else forward + backward for name, (forward, backward) in times.items()}
    best = min(times, key=times.get)
    return best if times[best] < math.inf else None


def attentions():
    for text in options.shapes.split(","):
        batch, length, heads, size = shape = tuple(map(int, text.split(":")))
        product = batch * heads * length * (length + 1) * size  # operations of one of the 2 and 5 products, causal
        for backend in BACKENDS if DEVICE == "cuda" else (None,):
            forward, backward = attention_times(shape, backend)
            if forward == math.inf:
                continue
            rates = {"forward": 2 * product / forward, "backward": 5 * product / backward}
            name = f"B{batch} T{length} H{heads} K{size}"
            print(f"{name:24} {backend or 'any':14} forward {rates['forward'] / 1e12:7.1f} "
                  f"backward {rates['backward'] / 1e12:7.1f} TFLOP/s", flush=True)  # fmt: skip
            report("peer attention", name=name, backend=backend or "any", precision=options.precision, **rates)


class Training:
    """Steps of training; run() returns seconds."""

    def __init__(self, shape):
        self.backend = None
        if DEVICE == "cuda":
            self.backend = best_backend((0, options.context, shape[2], shape[1] // shape[2]))
            attention_backend(self.backend)
        with on_device():
            self.model = Model(shape, options.vocabulary, options.context)
        self.adamw, self.kind = optimiser_of(self.model, shape[1])
        dynamic = False if options.mask_share == 0 else None
        self.trained = self.model if options.blocks else compiled(self.model, dynamic)
        if options.blocks:
            self.model.blocks = nn.ModuleList(compiled(block, False) for block in self.model.blocks)
            self.model.losses = compiled(self.model.losses, dynamic)
        self.generator, self.shape = torch.Generator(DEVICE).manual_seed(1), shape
        self.tokens = options.sequences * options.context
        self.kept = []

    def run(self):
        parts, total = draw(options, self.generator)
        start = clock()
        step(self.trained, self.adamw, parts, total, options.precision)
        self.kept.append(total / self.tokens)
        return clock() - start

    def fields(self, seconds):
        kept = statistics.mean(self.kept)
        flops = training_flops(self.shape, options.vocabulary, options.context, kept)
        return self.tokens, flops, {"seq": options.sequences, "kept": f"{kept:.3f}", "s/step": f"{seconds:.5f}"}


class Pair(nn.Module):
    """Log-odds of two probes for every position; the right model reads the rows from the other end."""

    def __init__(self, shape, layers):
        super().__init__()
        self.models = nn.ModuleList(Model(shape, options.vocabulary, options.context) for _ in range(2))
        self.probes = nn.ParameterList(nn.Parameter(torch.randn(PROBES, shape[1])) for _ in range(2))
        for model in self.models:
            model.blocks = model.blocks[:layers]

    def forward(self, left, right):
        scores = 0
        for model, probe, inputs, turned in zip(self.models, self.probes, (left, right), (False, True)):
            x = model.stream(inputs)
            x = x * torch.rsqrt(x.float().square().mean(-1, keepdim=True)).to(x.dtype)
            score = functional.linear(x, probe).float()
            scores = scores + (score.flip(1) if turned else score)
        return scores


class Scoring:
    """Forward passes of both models over a block of full rows; run() returns seconds."""

    def __init__(self, shape):
        self.layers, self.shape = options.layer or shape[0], shape
        with on_device():
            pair = Pair(shape, self.layers).eval().requires_grad_(False)
        if options.precision == "bfloat16":
            pair = pair.bfloat16()
        if COMPILED:
            from torch._inductor import config

            config.freezing = True
            config.max_autotune = options.autotune
        self.backend = None
        if DEVICE == "cuda":
            self.backend = best_backend((0, options.context, shape[2], shape[1] // shape[2]), forward_alone=True)
            attention_backend(self.backend)
        self.pair = compiled(pair, False)
        self.generator = torch.Generator(DEVICE).manual_seed(1)
        self.kind = "no optimiser"

    def run(self, blocks=1):
        size = (options.rows, options.context)
        rows = [torch.randint(options.vocabulary, size, generator=self.generator, device=DEVICE) for _ in range(blocks)]
        rows = [(left, left.flip(1)) for left in rows]
        start = clock()
        with torch.inference_mode() if not COMPILED else torch.no_grad():
            for left, right in rows:
                self.pair(left, right)
        return clock() - start

    def fields(self, seconds):
        # The first position of a row is the end-of-text before its document.
        tokens = options.rows * (options.context - 1)
        flops = 2 * forward_flops(self.shape, self.layers, options.context) + 8 * self.shape[1]
        return tokens, flops, {"rows": options.rows, "layer": self.layers, "s/block": f"{seconds:.5f}"}


def measure(work):
    """Seconds of a step for each round; paced: see bench.h."""

    def group():
        if isinstance(work, Scoring):
            return work.run(options.group) / options.group
        return sum(work.run() for _ in range(options.group)) / options.group

    for _ in range(3 if COMPILED else 1):
        work.run()
    if options.paced:
        print("ready", flush=True)
    rounds = []
    # After the last round, too: what follows must not disturb the program whose turn it is.
    while (not options.paced or sys.stdin.readline()) and len(rounds) < options.steps:
        rounds.append(group())
        if options.paced:
            print(f"{rounds[-1]:.9g}", flush=True)
    return rounds


def forms():
    return ("compiled by blocks" if options.blocks else "compiled") if COMPILED else "eager"


def describe(work):
    attention = "scaled_dot_product_attention" if VERSION >= (2, 0) else "baddbmm attention"
    if DEVICE == "cuda":
        kind = f"{work.backend or 'any'} attention"
        return f"PyTorch {torch.__version__}, {torch.cuda.get_device_name()}, {work.kind}, {kind}, {forms()}"
    capability = f", {torch.backends.cpu.get_cpu_capability()}" if VERSION >= (2, 0) else ""
    return f"PyTorch {torch.__version__}, {work.kind}, {attention}, {forms()}{capability}"


def peak_memory():
    if DEVICE == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def prepared(size):
    """The work, after its first round; a micro-batch that is too large is halved."""
    size, *numbers = size.split(":")
    if numbers and options.work == "score":
        options.rows, options.layer = map(int, numbers)
    elif numbers:
        options.sequences, options.micro_sequences = map(int, numbers)
    shape = shape_of(size)
    while True:
        try:
            work = Training(shape) if options.work == "train" else Scoring(shape)
            if DEVICE == "cuda":
                work.run()
            return size, work
        except RuntimeError as failure:
            least = options.rows if options.work == "score" else options.micro_sequences
            if "out of memory" not in str(failure) or least == 1:
                raise
        work = None
        if options.work == "score":
            options.rows //= 2
        else:
            options.micro_sequences //= 2
        torch._dynamo.reset()
        torch.cuda.empty_cache()


def run(size):
    size, work = prepared(size)
    begin = time.perf_counter()
    rounds = measure(work)
    peak = peak_memory()
    seconds = statistics.median(rounds)
    tokens, flops, own = work.fields(seconds)
    rate, largest = tokens / seconds, ceiling(options.precision)
    row = {"engine": "PyTorch", "size": size, "precision": options.precision, "vocab": options.vocabulary,
           "context": options.context, "threads": options.threads, **own, "tokens/s": f"{rate:.1f}",
           "GFLOP/s": f"{rate * flops / 1e9:.2f}", "GEMM%": f"{100 * rate * flops / largest:.1f}",
           "peakMiB": f"{peak:.1f}", "ceiling": f"{largest / 1e9:.1f}", "s_least": f"{min(rounds):.5f}",
           "s_most": f"{max(rounds):.5f}"}  # fmt: skip
    width = [max(len(name), len(str(value))) for name, value in row.items()]
    if not options.no_header:
        print(describe(work))
        print("  ".join(name.rjust(w) for name, w in zip(row, width)))
    print("  ".join(str(value).rjust(w) for value, w in zip(row.values(), width)), flush=True)
    report("peer", work=options.work, size=size, precision=options.precision, vocabulary=options.vocabulary,
           context=options.context, sequences=options.sequences, micro_sequences=options.micro_sequences,
           mask_share=options.mask_share, rows=options.rows, layer=options.layer, seconds_per_step=seconds, tokens_per_second=rate, flops=rate * flops,
           gemm_ceiling=largest, peak_memory=peak * 2**20, engine=describe(work),
           seconds=time.perf_counter() - begin)  # fmt: skip


def main():
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    if DEVICE == "cuda":
        torch.set_float32_matmul_precision("high")
    if options.work == "attention":
        attentions()
        return
    failed = 0
    for size in options.size.split(","):
        if time.perf_counter() - BEGAN > options.budget:
            print(f"{size}: not begun, the time is over")
            continue
        try:
            run(size)
        except RuntimeError as failure:
            if DEVICE == "cpu":
                raise
            print(f"{size}: {failure}", flush=True)
            failed = 1
        if DEVICE == "cuda":
            torch._dynamo.reset()
            torch.cuda.empty_cache()
    sys.exit(failed)


if __name__ == "__main__":
    main()
