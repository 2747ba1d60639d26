#!/usr/bin/env python3
"""The goals of the CUDA kernels and what was measured, as one Markdown table.

usage: table.py RESULTS.jsonl [CALCULATED.jsonl]
RESULTS: lines of JSON that run.sh collected; of several lines about one thing the last counts. CALCULATED: what roofline.py appends; its
estimates are set beside the figures. A figure without its lines is "unmeasured". Nothing but Python itself is needed.
SPDX-License-Identifier: Apache-2.0
"""

import json
import sys

RATIOS = {"13M": 1.15, "61M": 1.15, "113M": 1.15, "224M": 1.15, "521M": 1.05, "1030M": 1.05, "1816M": 1.00}
SHARES = {"13M": 33, "28M": 42, "61M": 45, "113M": 52, "224M": 58, "521M": 63, "1030M": 65, "1816M": 67}
SCORED = ("61M", "224M")
MASKED = ("61M", "224M")
GPT2 = "L12-D768-H12"


def read(path):
    with open(path) as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:  # cut off
                continue


class Results:
    def __init__(self, lines):
        self.lines = list(lines)

    def last(self, kind, *keys):
        """The last line of a kind for each combination of these values: {values: line}."""
        found = {}
        for line in self.lines:
            if line.get("kind") == kind:
                found[tuple(line.get(key) for key in keys)] = line
        return found

    def steps(self, size, masked=False, any_order=False):
        """Training steps of a size, the fastest first."""
        keys = ("size", "context", "vocabulary", "sequences", "micro_sequences", "kept_share", "any_order")
        lines = [line for line in self.last("train", *keys).values() if line["size"] == size]
        lines = [line for line in lines if bool(line.get("any_order")) == any_order]
        lines = [line for line in lines if (line["kept_share"] < 0.999) == masked]
        return sorted(lines, key=lambda line: -line["tokens_per_second"])

    def peer(self, size):
        lines = self.last("peer", "work", "size", "mask_share", "context").values()
        lines = [line for line in lines if line["work"] == "train" and line["size"] == size and not line["mask_share"]]
        return max(lines, key=lambda line: line["tokens_per_second"], default=None)

    def scored(self, size):
        """Scoring with a pair of models of a size, ours and the peer's: the fastest lines at the last layer asked for."""
        ours = [line for line in self.last("score", "size", "layer", "context", "rows").values() if line["size"] == size]
        peers = self.last("peer", "work", "size", "layer", "context", "rows").values()
        peers = [line for line in peers if line["work"] == "score" and line["size"] == size]
        best = [(a, b) for a in ours for b in peers if all(a[key] == b[key] for key in ("layer", "context"))]
        layer = max((a["layer"] for a, b in best), default=None)
        rates = [(a["tokens_per_second"], b["tokens_per_second"]) for a, b in best if a["layer"] == layer]
        return (max(a for a, b in rates), max(b for a, b in rates)) if rates else None

    def calculated(self, work, size, mask_share=0):
        """What roofline.py reckons, or nothing."""
        return self.last("calculated", "work", "size", "mask_share").get((work, size, mask_share or (0 if work == "train" else None)), {})

    def ceiling(self):
        """Of all that measured the large product the largest."""
        rates = [line["gemm"] for line in self.last("probe").values()]
        rates += [line["gemm_ceiling"] for kind in ("train", "peer") for line in self.last(kind, "size").values()]
        return max(rates, default=None)


def verdict(met):
    return "met" if met else "MISSED"


def ratio(results, size, goal):
    ours, peer = results.steps(size), results.peer(size)
    if not ours or not peer:
        return None
    a, b = ours[0]["tokens_per_second"], peer["tokens_per_second"]
    return f"{a / b:.2f} ({a:,.0f} / {b:,.0f} tokens/s), {verdict(a / b >= goal)}"


def scoring(results, size, goal):
    both = results.scored(size)
    if not both:
        return None
    a, b = both
    return f"{a / b:.2f} ({a:,.0f} / {b:,.0f} tokens/s), {verdict(a / b >= goal)}"


def share(results, size, goal):
    ours, ceiling = results.steps(size), results.ceiling()
    if not ours or not ceiling:
        return None
    value = 100 * ours[0]["flops"] / ceiling
    rate = ours[0]["tokens_per_second"]
    return f"{value:.1f} % of {ceiling / 1e12:.0f} TFLOP/s ({rate:,.0f} tokens/s), {verdict(value >= goal)}"


def over_llmc(results):
    ours, peer = results.steps(GPT2), results.last("llmc")
    if not ours or not peer:
        return None
    a, b = ours[0]["tokens_per_second"], peer[()]["tokens_per_second"]
    return f"{a / b:.2f} ({a:,.0f} / {b:,.0f} tokens/s), {verdict(a / b >= 1.2)}"


def masked(results, size, percent):
    for line in results.steps(size, masked=True):
        if abs(line["kept_share"] - (1 - percent / 100)) > 0.05:
            continue
        for full in results.steps(size):
            if all(full[key] == line[key] for key in ("context", "vocabulary", "sequences", "micro_sequences")):
                time = line["seconds_per_step"] / full["seconds_per_step"]
                work = line["flops"] * line["seconds_per_step"] / (full["flops"] * full["seconds_per_step"])
                value = 100 * (1 - time) / (1 - work)
                return f"{value:.0f} % (FLOPs -{100 * (1 - work):.1f} %, time -{100 * (1 - time):.1f} %), {verdict(value >= 80)}"
    return None


def attention(results, way):
    ours = {name: line["rate"] for (name,), line in results.last(f"attention {way}", "name").items()}
    best = {}
    for (name, backend), line in results.last("peer attention", "name", "backend").items():
        best[name] = max(best.get(name, (0, "")), (line[way], backend))
    both = [(ours[name] / best[name][0], name) for name in ours if name in best]
    if not both:
        return None
    text = ", ".join(f"{name}: {value:.2f} ({ours[name] / 1e12:.0f} / {best[name][0] / 1e12:.0f} TFLOP/s, {best[name][1]})"
                     for value, name in both)  # fmt: skip
    return f"{text}; {verdict(min(both)[0] >= 1)}"


def element_wise(results):
    copy = max((line["copy"] for line in results.last("probe").values()), default=None)
    ours = [(line["rate"], name) for (name,), line in results.last("element-wise", "name").items()]
    if not copy or not ours:
        return None
    text = ", ".join(f"{name} {100 * rate / copy:.0f}" for rate, name in sorted(ours))
    return f"{text} % of {copy / 1e12:.2f} TB/s; {verdict(min(ours)[0] >= 0.8 * copy)}"


def deterministic(results):
    """The time of steps in a fixed order over that of the fastest, where both were measured alike."""
    both = []
    for size in MASKED:
        for free in results.steps(size, any_order=True):
            for fixed in results.steps(size):
                if all(fixed[key] == free[key] for key in ("context", "vocabulary", "sequences", "micro_sequences")):
                    a, b = fixed["seconds_per_step"], free["seconds_per_step"]
                    both.append((a / min(a, b), f"{size}: {a / min(a, b):.3f} ({1e3 * a:.1f} / {1e3 * b:.1f} ms in any order)"))
    if not both:
        return None
    return f"{', '.join(text for ratio, text in both)}; {verdict(max(both)[0] <= 1.05)}"


def backward_orders(results):
    """Attention's backward pass alone: in a fixed order against any."""
    fixed, free = results.last("attention backward", "name"), results.last("attention backward, any order", "name")
    both = [(name, free[name,]["seconds"], line["seconds"]) for (name,), line in fixed.items() if (name,) in free]
    return ", ".join(f"{name}: {b / a:.2f}" for name, a, b in both) or None


def heads(results):
    """Of each width the number of rows at a time that was fastest, and what others cost."""
    widths = {}
    for (width, chunk), line in results.last("head", "width", "chunk").items():
        widths.setdefault(width, []).append((line["seconds"], chunk))
    texts = []
    for width, lines in sorted(widths.items()):
        least = min(lines)
        others = ", ".join(f"{chunk:.0f}: {seconds / least[0]:.3f}" for seconds, chunk in sorted(lines, key=lambda x: x[1]))
        texts.append(f"width {width:.0f}: {least[1]:.0f} rows ({others})")
    return "; ".join(texts) or None


def fused(results):
    """Of each product the best way in one kernel, its time over that of two steps."""
    shapes = {}
    for (direction, width, way), line in results.last("fused", "direction", "width", "way").items():
        shapes.setdefault((width, direction), {})[way] = line
    texts = []
    for (width, direction), ways in sorted(shapes.items()):
        two = ways.pop("two steps", None)
        right = [(line["seconds"], way) for way, line in ways.items() if line["error"] is not None and line["error"] < 0.02]
        if two and right:
            seconds, way = min(right)
            texts.append(f"{direction} {width:.0f}: {seconds / two['seconds']:.2f} ({way})")
    return ", ".join(texts) or None


def own_products(results):
    """Of each kind of product, the time by own ones over the library's, and over product and pass where the end saves that."""
    kinds = {}
    for (product, width, way), line in results.last("own", "product", "width", "way").items():
        kinds.setdefault((width, product), {})[way] = line
    texts = []
    for (width, product), ways in sorted(kinds.items()):
        library = ways.pop("library", None)
        right = {way: line["seconds"] for way, line in ways.items() if line["error"] is not None and line["error"] < 0.02}
        if library and right:
            texts.append(f"{product} {width:.0f}: " + ", ".join(f"{seconds / library['seconds']:.2f} {way}" for way, seconds in sorted(right.items())))
    return "; ".join(texts) or None


def gradients(results):
    lines = results.last("gradients", "size").values()
    if not lines:
        return None
    worst = max(lines, key=lambda line: line["worst"])
    return f"{worst['worst']:.2g} ({worst['size']}, {worst['tensor']}), {verdict(worst['worst'] <= 1e-2)}"


def equality(results):
    lines = {("resumed" if what.startswith("resumed") else what, size): line
             for (what, size), line in results.last("equal", "what", "size").items()}  # fmt: skip
    if not lines:
        return None
    text = ", ".join(f"{what} ({size}, {line['steps']:.0f} steps): {'exact' if line['equal'] else 'NOT EQUAL'}"
                     for (what, size), line in lines.items())  # fmt: skip
    return f"{text}; {verdict(len(lines) >= 2 and all(line['equal'] for line in lines.values()))}"


def tests(results):
    line = results.last("test").get(())
    if not line:
        return None
    return f"{line['passed']} of {line['passed'] + line['failed']} programs pass, {verdict(line['failed'] == 0)}"


def sanitizer(results):
    lines = results.last("sanitize", "tool", "test")
    if not lines:
        return None
    errors = sum(line["errors"] for line in lines.values())
    return f"{errors} ({', '.join(f'{tool} {test}' for tool, test in lines)}), {verdict(errors == 0)}"


def idle(results):
    shares = [line["idle_share"] for line in results.last("train", "size", "idle_share").values()
              if line["size"] == "61M" and line.get("idle_share") is not None]  # fmt: skip
    return f"{100 * shares[-1]:.2f} %, {verdict(shares[-1] <= 0.02)}" if shares else None


def calculated(results, figure):
    """The estimate for a figure, as text."""
    kind, _, rest = figure.partition(", ")
    size, _, mask = rest.partition(", ")
    if kind.startswith("share of the GEMM ceiling"):
        line = results.calculated("train", size)
        return line and f"{100 * line['share']:.1f} % ({line['tokens_per_second']:,.0f} tokens/s)"
    if kind.startswith("scoring"):
        line = results.calculated("score", size)
        return line and f"{line['over_peer']:.2f} ({line['tokens_per_second']:,.0f} tokens/s)"
    if kind.startswith("training tokens/s over"):
        line = results.calculated("train", size)
        return line and f"{line['over_peer']:.2f}"
    if kind.startswith("needless"):
        line = results.calculated("train", size, float(mask.split()[0]) / 100)
        return line and f"{100 * line['saved']:.0f} %"
    return None


def kernels(results):
    """Milliseconds of a step by kind of kernel, measured (each call waited for) and calculated."""
    measured = results.last("profile", "size", "what")
    for (size, what), line in measured.items():
        part = results.calculated("train", size).get("parts", {}).get(what)
        if part:
            yield size, what, 1e3 * line["seconds"], 1e3 * part


def rows(results):
    yield "tests of kernels and model over the CUDA table", "pass", tests(results)
    for size, goal in RATIOS.items():
        yield f"training tokens/s over torch.compile, {size}", f">= {goal:.2f}", ratio(results, size, goal)
    for size, goal in SHARES.items():
        yield f"share of the GEMM ceiling, {size}", f">= {goal} %", share(results, size, goal)
    for size in SCORED:
        yield f"scoring tokens/s over torch.compile, {size}", ">= 1.20", scoring(results, size, 1.2)
    yield "tokens/s over llm.c, GPT-2 124M, context 1024", ">= 1.20", over_llmc(results)
    for size in MASKED:
        for percent in (20, 50):
            yield (f"needless FLOPs saved as time, {size}, {percent} % masked", ">= 80 %",
                   masked(results, size, percent))  # fmt: skip
    yield "time of a step, fixed order of sums over fastest mode", "<= 1.05", deterministic(results)
    for way in ("forward", "backward"):
        yield f"attention {way} over torch SDPA's best", ">= 1.0", attention(results, way)
    yield "element-wise kernels, share of the copy bandwidth", ">= 80 %", element_wise(results)
    yield "bfloat16 gradients against float32, worst tensor", "<= 0.01", gradients(results)
    yield "bit-equality of two runs, and of a resumed one", "exact", equality(results)
    yield "compute-sanitizer: errors", "0", sanitizer(results)
    yield "GPU idle inside a step, 61M", "<= 2 %", idle(results)
    yield "attention backward, time in a fixed order over any", "to be learnt", backward_orders(results)
    yield "rows of logits at a time, fastest", "to be learnt", heads(results)
    yield "product and ReLU squared in one kernel, time over two", "to be learnt", fused(results)
    yield "own products, time over the library's way", "to be learnt", own_products(results)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: table.py RESULTS.jsonl [CALCULATED.jsonl]")
    try:
        results = Results(line for path in sys.argv[1:] for line in read(path))
    except OSError as failure:
        sys.exit(f"table.py: {failure}")
    for line in results.last("probe").values():
        print(f"{line['device']}\n")
    print("| figure | goal | measured | calculated |\n|---|---|---|---|")
    for figure, goal, measured in rows(results):
        print(f"| {figure} | {goal} | {measured or 'unmeasured'} | {calculated(results, figure) or ''} |")
    parts = list(kernels(results))
    if parts:
        print("\n| size | kernels | ms of a step | calculated | ratio |\n|---|---|---|---|---|")
    for size, what, own, part in parts:
        print(f"| {size} | {what} | {own:.2f} | {part:.2f} | {own / part:.2f} |")


if __name__ == "__main__":
    main()
