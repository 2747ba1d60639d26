#!/usr/bin/env python3
"""What a training step or a scored block should take on an H200, reckoned kernel by kernel: nothing here is measured.

usage: roofline.py TRACE [--json RESULTS.jsonl] [--calls SIZE [--own]]
TRACE is the program of validation/gpu/trace.c. Prints, for the shapes that run.sh measures, the share of the ceiling and where the time
goes. --json: also appends lines of "kind": "calculated", which table.py sets beside what was measured. --calls SIZE:
every call of a step of that size, in order; --own: with own products (CAPSHAPE_PRODUCT=own).

Two times for each kernel. The floor: max(operations / ceiling, bytes / bandwidth), each byte of an operand moved once. The estimate: what the
libraries and kernels should reach, by the assumptions in `Machine` and in the functions below. Both ceilings are figures that others measured on such a GPU.
Nothing but Python itself is needed.
SPDX-License-Identifier: Apache-2.0
"""

import argparse
import collections
import json
import math
import os
import subprocess
import sys

VOCABULARY, CONTEXT = 100288, 2048
# Size: sequences of a step and of a micro-batch, and the share of the ceiling that is the goal, %.
TRAINED = {"13M": (128, 32, 33), "28M": (128, 32, 42), "61M": (128, 32, 45), "113M": (64, 32, 52),
           "224M": (64, 32, 58), "521M": (32, 16, 63), "1030M": (32, 16, 65), "1816M": (16, 8, 67)}  # fmt: skip
MASKED = (("61M", 0.2), ("61M", 0.5), ("224M", 0.2), ("224M", 0.5))
SCORED = (("61M", 64, 7), ("224M", 64, 13))  # size, rows, layer; context 1024
SCORED_CONTEXT = 1024


class Machine:
    """NVIDIA H200. Measured by others: ceiling, bandwidth. Assumed: all below them."""

    ceiling = 790e12  # operations/s of a bfloat16 product of 8192 x 8192 matrices
    bandwidth = 4.3e12  # bytes/s of a large copy, read and written
    multiprocessors = 132
    streamed = 0.88  # share of the bandwidth that an element-wise kernel reaches
    streamed_product = 0.90  # that a product bound by memory reaches
    gap = 1e-6  # s from one kernel to the next in a stream that is never empty
    ramp = 2e-6  # s of a kernel in which the GPU is not full: first loads, last blocks
    call = 5e-6  # s of the host for a launch
    tile_overhead = 2e-6  # s of a tile of 128 x 256 before its first and after its last product
    workspace = 32 << 20  # bytes, of cuBLASLt
    # Attention of cuDNN, operations/s, by padded head size: (forward, backward), causal at 2048 positions, from the library's published figures.
    attention = {64: (310e12, 264e12), 128: (484e12, 370e12)}
    attention_short = 0.85  # of that at 1024 positions
    # Own products on warp-group instructions (CAPSHAPE_PRODUCT=own). Assumed: the share of the library's speed inside a tile, as no two blocks share what they
    # fetch; seconds of a tile of 128 x 256 for powers and for rotations, of which one warp group's are computed while the other multiplies.
    own, own_powers, own_rotation = 0.8, 0.6e-6, 0.3e-6
    warps = 400e12  # operations/s of own kernels on the tensor cores, which leave out what only warp groups can use


# Rows, columns, speed in the inner loop relative to the largest. cuBLASLt has these and many more; either side may lie along either dimension.
TILES = ((128, 256, 1.0), (256, 128, 1.0), (128, 224, 1.0), (224, 128, 1.0), (128, 192, 0.97), (192, 128, 0.97), (128, 160, 0.95),
         (160, 128, 0.95), (128, 128, 0.93), (64, 256, 0.85), (256, 64, 0.85), (128, 64, 0.72), (64, 128, 0.72),
         (64, 64, 0.5))  # fmt: skip
PLAIN = ((128, 256, 1.0), (256, 128, 1.0), (128, 128, 0.93))
STEP = 64  # of the inner dimension


def per_multiprocessor(machine):
    """Operations/s inside a large tile: the product that is the ceiling has 2,048 tiles in 16 rounds."""
    rounds = math.ceil(2048 / machine.multiprocessors)
    tile = 2 * 8192**3 / machine.ceiling / rounds
    return 2 * 128 * 256 * 8192 / (tile - machine.tile_overhead)


Kernel = collections.namedtuple("Kernel", "what operations bytes floor estimate")


def kernel(machine, what, operations, moved, estimate):
    floor = max(operations / machine.ceiling, moved / machine.bandwidth)
    return Kernel(what, operations, moved, floor, max(estimate, floor) + machine.gap)


def streamed(machine, what, moved):
    return kernel(machine, what, 0, moved, moved / (machine.streamed * machine.bandwidth) + machine.ramp)


def streamed_more(machine, what, moved):
    """In a kernel that is there anyway."""
    return Kernel(what, 0, moved, moved / machine.bandwidth, moved / (machine.streamed * machine.bandwidth))


def product(machine, what, m, n, k, result_bytes, plain=False):
    """m x n results, sums over k. result_bytes: of one result, read ones included."""
    operations, moved = 2 * m * n * k, 2 * (m * k + n * k) + result_bytes * m * n
    rate, best = per_multiprocessor(machine), math.inf
    for rows, columns, speed in PLAIN if plain else TILES:
        tiles = math.ceil(m / rows) * math.ceil(n / columns)
        size = rows * columns / (128 * 256)
        for split in (1,) if plain else (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64):
            if split > 1 and (split * m * n * 4 > machine.workspace or k < split * 4 * STEP):
                break
            rounds = math.ceil(tiles * split / machine.multiprocessors)
            inner = math.ceil(k / STEP / split) * STEP * 2 * rows * columns / (rate * speed)
            compute = rounds * (inner + machine.tile_overhead * max(size, 0.5))
            memory = moved / (machine.streamed_product * machine.bandwidth)
            seconds = (compute**4 + memory**4) ** 0.25 + machine.ramp
            if split > 1:
                seconds += split * m * n * 8 / machine.bandwidth + machine.ramp + machine.gap
            best = min(best, seconds)
    return kernel(machine, what, operations, moved, best)


def own_product(machine, what, m, n, k, result_bytes, end=0.0, tile=0):
    """The same by warp_group_product.h; end: s of a tile of 128 x 256 beside its products; tile: its columns, where the end decides."""
    operations, moved = 2 * m * n * k, 2 * (m * k + n * k) + result_bytes * m * n
    columns = tile or (256 if n % 256 == 0 else 224 if n % 224 == 0 else 128 if n % 256 <= 128 and n < 2048 else 256)
    rounds = math.ceil(math.ceil(m / 128) * math.ceil(n / columns) / machine.multiprocessors)
    speed = machine.own * (0.93 if columns == 128 else 1)
    inner = math.ceil(k / STEP) * STEP * 2 * 128 * columns / (per_multiprocessor(machine) * speed)
    compute = rounds * (inner + (machine.tile_overhead + end) * columns / 256)
    memory = moved / (machine.streamed_product * machine.bandwidth)
    return kernel(machine, what, operations, moved, (compute**4 + memory**4) ** 0.25 + machine.ramp)


def attention(machine, call, backward, fixed_order=True):
    """A list of queries is spread over all rows, computed, and gathered again."""
    sequences, length, heads, size = (call[key] for key in ("sequences", "length", "heads", "head_size"))
    rows, width, queries = sequences * length, heads * size, call["queries"]
    padded = 64 if size <= 64 else 128
    rate = machine.attention[padded][backward] * (1 if length >= 2048 else machine.attention_short)
    operations = (5 if backward else 2) * rows * (length + 1) * heads * size
    moved = (16 if backward else 8) * rows * width
    seconds = operations * padded / size / rate
    if backward and fixed_order:  # a matrix of scores of each head is written and read, half of it
        scores = rows * heads * length * 2
        moved += scores
        seconds += scores / (machine.streamed * machine.bandwidth)
    name = "attention backward" if backward else "attention forward"
    kernels = [kernel(machine, name, operations, moved, seconds + machine.ramp)]
    kernels.append(streamed(machine, name, 8 * queries * heads))  # log_sum in the order of the library
    if call["listed"]:
        spread = [streamed(machine, name, 2 * rows * width), streamed(machine, name, 4 * queries * width)]
        kernels += spread * (3 if backward else 1) + [streamed(machine, name, 4 * queries * width)]
    return kernels


def price(machine, name, call, vocabulary=VOCABULARY, plain=False):
    """The kernels that an entry of the table (kernels/kernels.h) launches."""
    rows, width, count = call.get("rows", 0), call.get("width", 0), call.get("count", 0)
    out, inner = call.get("out", 0), call.get("in", 0)
    where = "head" if out == vocabulary else "linear"
    if name == "linear_forward":
        what = "head: logits" if where == "head" else "linear: forward"
        return [product(machine, what, rows, out, inner, 2, plain)]
    if name == "linear_backward_input":
        return [product(machine, f"{where}: input gradient", rows, inner, out, 4 if call["accumulate"] else 2, plain)]
    if name == "linear_backward_weight":
        return [product(machine, f"{where}: weight gradient", out, inner, rows, 8, plain)]
    if name == "linear_relu_squared_forward":
        return [own_product(machine, "linear: and relu squared", rows, out, inner, 2)]
    if name == "linear_rope_forward":  # angles of each row are made first, 4 bytes for each element of a head
        size = call["head_size"]
        tile = 0 if call["turned"] == 0 else 224 if size == 56 else 128 if size == 128 or (0 < out % 256 <= 128 and out < 2048) else 256
        made = [streamed(machine, "linear: and rotation", 4 * rows * size)] if call["turned"] else []
        return made + [own_product(machine, "linear: and rotation", rows, out, inner, 2, machine.own_rotation if call["turned"] else 0, tile)]
    if name == "linear_add_forward":  # the stream is read and written; with squares of its rows by an own product, else the library's
        if call["squares"]:
            return [own_product(machine, "linear: to the stream", rows, out, inner, 4)]
        return [product(machine, "linear: to the stream", rows, out, inner, 4, plain)]
    if name == "linear_relu_squared_backward":
        return [own_product(machine, "linear: and its slope", rows, inner, out, 4)]
    if name == "wide_head":
        vocabulary, stored = call["vocabulary"], 2 * call["gradient"]
        sums = 8 * rows * math.ceil(vocabulary / 256)
        return [streamed(machine, "head: powers", 4 * rows * width),
                own_product(machine, "head: powers", rows, vocabulary, width, stored, machine.own_powers),
                streamed(machine, "head: powers", sums)]  # fmt: skip
    if name in ("attention_forward", "attention_backward"):
        return attention(machine, call, name == "attention_backward")
    if name == "narrow_head":  # an own kernel, which is between a product and a stream; its shared memory allows whole tiles of 128 rows
        vocabulary, tiles = call["vocabulary"], math.ceil(rows / 128)
        operations = 2 * rows * width * vocabulary
        moved = 2 * (rows + vocabulary) * width + (2 * rows * vocabulary if call["gradient"] else 0)
        together = machine.multiprocessors * (2 if width <= 128 else 1)
        blocks = tiles * math.ceil(vocabulary / 7168)
        idle = math.ceil(blocks / together) * together / blocks
        compute, memory = operations / machine.warps * idle, moved / (machine.streamed * machine.bandwidth)
        return [streamed(machine, "head: narrow rows", 4 * rows * width),
                kernel(machine, "head: narrow rows", operations, moved, math.hypot(compute, memory) + machine.ramp),
                streamed(machine, "head: narrow rows", 64 * rows)]  # fmt: skip
    if name == "cross_entropy":
        return [streamed(machine, "cross-entropy", (4 if call["gradient"] else 2) * rows * call["vocabulary"])]
    if name == "norm_forward":
        return [streamed(machine, "norm forward", rows * width * 2 * (2 + call["branch"] + call["sum"]))]
    if name == "norm_backward":
        strips = min(12 * machine.multiprocessors, rows // 8 + 1) * width * 4
        return [streamed(machine, "norm backward", rows * width * 2 * (3 + call["accumulate"]) + strips),
                streamed(machine, "norm backward", strips)]  # fmt: skip
    if name == "embedding_backward":  # sorted in 4 rounds; an id's sum is read and written
        sort = [streamed(machine, "embedding backward", 16 * rows)] * 8
        return sort + [streamed(machine, "embedding backward", rows * width * (2 + 8)),
                       streamed(machine, "embedding backward", rows * width * 8 // 32)]  # fmt: skip
    moved = {
        "relu_squared_forward": ("relu squared forward", 4 * count),
        "relu_squared_backward": ("relu squared backward", 6 * count),
        "rope": ("rotation", 4 * rows * width),
        "row_squares": ("squares of rows", 2 * rows * width),
        "embedding_forward": ("embedding forward", 4 * rows * width),
        "scale_rows": ("gather, scatter", 4 * rows * width),
        "gather_rows": ("gather, scatter", 4 * rows * width),
        "scatter_rows": ("gather, scatter", (6 if call.get("accumulate") else 4) * rows * width),
        "probe": ("probes", 4 * rows * width + 8 * rows * count),
        "clear": ("clear", call.get("bytes", 0)),
        "sum_of_squares": ("sum of squares", 4 * count),
        "adamw": ("AdamW", 30 * count),
        "convert_weights": ("convert", 6 * count),
    }.get(name)
    return [streamed(machine, *moved)] if moved else []


def price_peer(machine, name, call, training, vocabulary=VOCABULARY):
    """The same work in PyTorch, torch.compile and autocast, counted from the source of torch_peer.py: products and attention as fast
    as ours. In training its residual stream is float32, the cross-entropy reads the logits once more, gradients of weights are made in
    bfloat16 and added by a pass of their own, weights are cast in every micro-batch; its attention may add in any order. Scoring is as ours."""
    rows, width, count = call.get("rows", 0), call.get("width", 0), call.get("count", 0)
    if name == "linear_add_forward":  # a product, and the sum in the pass of the norm that follows: float32 in training
        add = streamed_more(machine, "norm forward", (6 if training else 4) * rows * call["out"])
        return price_peer(machine, "linear_forward", call, training) + [add]
    if not training:
        return price(machine, name, call)
    if name == "narrow_head":
        shape = {"rows": rows, "in": width, "out": call["vocabulary"]}
        return price_peer(machine, "linear_forward", shape, True) + price_peer(machine, "cross_entropy", call, True)
    if name == "linear_forward":
        return price(machine, name, call) + [streamed(machine, "cast", 6 * call["in"] * call["out"])]
    if name == "linear_backward_weight":
        made = product(machine, "weight gradient", call["out"], call["in"], rows, 2)
        return [made, streamed(machine, "weight gradient", 10 * call["out"] * call["in"])]
    if name == "attention_backward":
        return attention(machine, call, True, fixed_order=False)[:1]
    if name == "embedding_backward":
        return [streamed(machine, name, 16 * vocabulary * width)] + price(machine, name, call)
    moved = {"cross_entropy": 6 * rows * call.get("vocabulary", 0), "norm_forward": rows * width * (12 if call.get("branch") else 6),
             "norm_backward": 22 * rows * width, "rope": 4 * rows * width, "sum_of_squares": 12 * count,
             "scale_rows": 0}.get(name)  # fmt: skip
    if moved is None:
        return price(machine, name, call)
    return [streamed(machine, name, moved)] if moved else []


class Work:
    """A traced step or block."""

    def __init__(self, trace, *words, own=False):
        self.words = words
        choice = {**os.environ, "CAPSHAPE_PRODUCT": "own" if own else "library"}
        text = subprocess.run([trace, *map(str, words)], check=True, capture_output=True, text=True, env=choice).stdout
        lines = [line.split() for line in text.splitlines()]
        calls = [(line[0], dict((key, int(value)) for key, value in (word.split("=") for word in line[1:]))) for line in lines[1:]]
        first = dict(word.split("=") for word in lines[0])
        self.flops, self.tokens, self.calls = float(first["flops"]), int(first["tokens"]), calls

    def kernels(self, machine, plain=False):
        known = {}
        for name, call in self.calls:
            key = (name, *call.values())
            if key not in known:
                known[key] = price(machine, name, call, plain=plain)
            yield from known[key]

    def seconds(self, machine, plain=False):
        """(floor, estimate, host): the GPU waits where the host takes longer."""
        floor = estimate = 0
        count = sum(1 for name, call in self.calls if name in ("upload", "download"))
        for one in self.kernels(machine, plain):
            floor, estimate, count = floor + one.floor, estimate + one.estimate, count + 1
        return floor, max(estimate, count * machine.call), count * machine.call

    def over_peer(self, machine):
        """How much faster than PyTorch, by estimate. Its logits of a micro-batch are taken to come in pieces as ours do."""
        known, seconds = {}, 0
        for name, call in self.calls:
            key = (name, *call.values())
            if key not in known:
                known[key] = sum(one.estimate for one in price_peer(machine, name, call, self.words[0] == "train"))
            seconds += known[key]
        return seconds / self.seconds(machine)[1]

    def parts(self, machine):
        """{what: (operations, bytes, floor, estimate)}, the dearest first."""
        sums = collections.defaultdict(lambda: [0, 0, 0, 0])
        for one in self.kernels(machine):
            sums[one.what] = [a + b for a, b in zip(sums[one.what], one[1:])]
        return dict(sorted(sums.items(), key=lambda item: -item[1][3]))


def is_product(what):
    return what.startswith(("head:", "linear:"))


def row(name, work, own, machine, goal=None):
    floor, estimate, host = work.seconds(machine)
    plain, owned = work.seconds(machine, plain=True)[1], own.seconds(machine)[1]
    share = lambda seconds: 100 * work.flops / seconds / machine.ceiling  # noqa: E731
    parts = work.parts(machine)
    others = [f"{what} {100 * sums[3] / estimate:.1f}" for what, sums in parts.items() if not is_product(what)][:5]
    print(f"| {name} | {goal or ''} | {share(floor):.1f} | {share(estimate):.1f} | {share(plain):.1f} | "
          f"{work.tokens / estimate:,.0f} | {work.over_peer(machine):.2f} | {share(owned):.1f} | {work.tokens / owned:,.0f} | "
          f"{work.over_peer(machine) * estimate / owned:.2f} | {100 * host / estimate:.1f} | {', '.join(others)} |")  # fmt: skip
    return {"own_seconds": owned, "own_share": share(owned) / 100, "over_peer": work.over_peer(machine), "share": share(estimate) / 100, "floor_share": share(floor) / 100, "tokens_per_second": work.tokens / estimate,
            "seconds": estimate, "flops": work.flops / estimate,
            "parts": {what: sums[3] for what, sums in parts.items()}}  # fmt: skip


def saved(full, work, machine):
    """Of the operations that a mask makes needless, the part that is saved as time."""
    time = work.seconds(machine)[1] / full.seconds(machine)[1]
    return (1 - time) / (1 - work.flops / full.flops)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("trace")
    parser.add_argument("--json")
    parser.add_argument("--calls")
    parser.add_argument("--own", action="store_true")
    options = parser.parse_args()
    machine, lines = Machine(), []
    trained = lambda size, mask=0, own=False: Work(options.trace, "train", size, VOCABULARY, CONTEXT, *TRAINED[size][:2], mask, own=own)  # noqa: E731

    if options.calls:
        for one in trained(options.calls, own=options.own).kernels(machine):
            print(f"{one.what:24} {one.operations / 1e9:10.1f} GFLOP {one.bytes / 1e6:10.1f} MB {1e6 * one.floor:9.1f} us "
                  f"{1e6 * one.estimate:9.1f} us")  # fmt: skip
        return
    head = "share of the ceiling, %: floor | estimate | plain tiles | tokens/s | over PyTorch | with own products: share of the ceiling, % | tokens/s | over PyTorch | host, % | dearest beside products, % of the time"
    print(f"Calculated, not measured: {machine.ceiling / 1e12:.0f} TFLOP/s, {machine.bandwidth / 1e12:.1f} TB/s.\n")
    print(f"| | goal | {head} |\n|---|---|---|---|---|---|---|---|---|---|---|---|")
    for size, (_, micro, goal) in TRAINED.items():
        lines.append({"work": "train", "size": size, "mask_share": 0, **row(size, trained(size), trained(size, own=True), machine, goal)})
    for size, mask in MASKED:
        full, work = trained(size), trained(size, mask)
        own_full, own = trained(size, own=True), trained(size, mask, own=True)
        figures = row(f"{size}, {100 * mask:.0f} % masked", work, own, machine)
        lines.append({"work": "train", "size": size, "mask_share": mask, **figures, "saved": saved(full, work, machine)})
        print(f"| needless operations saved as time, % | 80 | | {100 * lines[-1]['saved']:.0f} | | | | "
              f"{100 * saved(own_full, own, machine):.0f} | | | | |")  # fmt: skip
    for size, rows, layer in SCORED:
        work, own = (Work(options.trace, "score", size, VOCABULARY, SCORED_CONTEXT, rows, layer, own=own) for own in (False, True))
        lines.append({"work": "score", "size": size, **row(f"scoring, pair of {size}", work, own, machine)})
    if options.json:
        with open(options.json, "a") as file:
            for line in lines:
                file.write(json.dumps({"kind": "calculated", **line}) + "\n")


if __name__ == "__main__":
    sys.exit(main())
