#!/usr/bin/env python3
"""Compares a dump of the engine (dump.c) with the same computed by PyTorch (model.py) and prints one table.

usage: compare.py DUMP.h5 [--all]
A relative error is the norm of the difference divided by the norm of the reference, the reference being PyTorch in
float64 with the weights that the engine multiplied with (in bfloat16: rounded to it). A row shows the worst of what it
names; --all shows every tensor. "torch itself" is the error of PyTorch in the engine's own precision (bfloat16:
autocast), against the same reference: what a careful implementation can expect. Exit code 1 when a row fails.
SPDX-License-Identifier: Apache-2.0
"""

import argparse
import sys

import h5py
import numpy
import torch

import model as peer

LIMITS = {"float32": 1e-6, "bfloat16": 1e-2}
# Where the parts of a gradient nearly cancel, any rounding is amplified: weights ten times as large as a model begins with
# (stressed), one kept row in the whole batch (sparse), a model that has learned its text. There the engine may also be
# this many times as far off as PyTorch itself, which keeps the T x T matrix that the engine computes again.
STRESS_FACTOR = 3.0
EXACT = 0.0
OPTIMISER_LIMIT = 1e-6  # float32 state after the engine's own gradients, in both precisions
UPDATE_LIMIT = 1e-4  # of the change of the parameters: gains near 1 are rounded to 6e-8 when they change by 1e-3
# Gradients that differ in rounding only, through ten steps of AdamW: an element whose gradient is nearly 0 may move the
# other way.
TRAINED_LIMIT = {"float32": 1e-5, "bfloat16": 5e-2}
CURVE_LIMIT = {"float32": 1e-4, "bfloat16": 1e-2}  # nats
PROBE_LIMIT = 1e-5  # both minimise the same function; the engine's minimiser stops at a gradient of 1e-8


class Table:
    """Rows are shown as they are known; a row may gather many measurements, of which the worst counts."""

    def __init__(self, everything):
        self.everything, self.failures, self.rows = everything, 0, 0
        print(f"{'quantity':82s} {'error':>9s} {'limit':>8s} {'torch itself':>12s}")

    def add(self, name, error, limit, own=None):
        passed = error <= limit  # not so for NaN
        self.failures += not passed
        self.rows += 1
        own = "" if own is None else f"{own:.1e}"
        print(f"{name:82s} {error:9.1e} {limit:8.1e} {own:>12s}  {'PASS' if passed else 'FAIL'}", flush=True)

    def add_worst(self, name, errors, limit, stressed=False):
        """errors: (label, error, torch's own error or None) of each."""
        errors = list(errors)
        if stressed:
            limit = max(limit, STRESS_FACTOR * max(own for _, _, own in errors))
        if self.everything:
            for label, error, own in errors:
                self.add(f"{name}: {label}", error, limit, own)
            return
        # NaN first: it must not hide.
        label, error, _ = max(errors, key=lambda e: (e[1] != e[1], e[1]))
        owns = [own for _, _, own in errors if own is not None]
        count = f"worst of {len(errors)}, {label}" if len(errors) > 1 else label
        self.add(f"{name} ({count})", error, limit, max(owns) if owns else None)

    def finish(self):
        print(f"{self.rows - self.failures} of {self.rows} rows passed")
        return 1 if self.failures else 0


def relative(value, reference):
    value, reference = torch.as_tensor(value).to(torch.float64), torch.as_tensor(reference).to(torch.float64)
    if value.shape != reference.shape:
        raise SystemExit(f"compare.py: the dump has shape {tuple(value.shape)} where {tuple(reference.shape)} is right")
    size = reference.norm().item()
    difference = (value - reference).norm().item()
    return difference / size if size > 0 else difference


def tensor(dataset, dtype=torch.float64):
    array = numpy.asarray(dataset[()])
    if array.dtype == numpy.uint16:  # unknown to torch 1.13
        array = array.astype(numpy.int32)
    array = torch.from_numpy(array)
    return array.to(dtype) if array.is_floating_point() else array.long()


def read_config(group):
    fields = group.attrs
    return peer.Config(
        layers=int(fields["layers"]),
        width=int(fields["width"]),
        heads=int(fields["heads"]),
        vocabulary=int(fields["vocabulary"]),
        base_width=int(fields["base_width"]),
        rotary=bool(fields["rotary"]),
        rope_base=float(fields["rope_base"]),
        norm_epsilon=float(fields["norm_epsilon"]),
    )


class Layout:
    """Where the tensors lie in the engine's arena, and what they are called there and here."""

    def __init__(self, group):
        names = [name.decode() for name in group["layout/name"][()]]
        groups = [name.decode() for name in group["layout/group"][()]]
        places = group["layout/place"][()].tolist()
        self.tensors = list(zip(names, groups, places))

    @staticmethod
    def parameter(model, name):
        if "." not in name:
            return getattr(model, name)
        block, part = name.split(".")
        return getattr(model.blocks[int(block[len("block") :])], part)

    def slice(self, arena, place):
        offset, rows, columns = place
        values = arena[offset : offset + rows * columns]
        return values if columns == 1 else values.view(rows, columns)

    def load(self, model, arena):
        with torch.no_grad():
            for name, _, place in self.tensors:
                self.parameter(model, name).copy_(self.slice(arena, place))
        return model

    def set_gradients(self, model, arena):
        for name, _, place in self.tensors:
            self.parameter(model, name).grad = self.slice(arena, place).clone()

    def errors(self, arena, reference, own=None, suffix=""):
        """(name, error, torch's own error) of every tensor; reference, own: functions from name to tensor. Query, key and
        value are judged one by one, or the value would cover the others."""
        for name, _, place in self.tensors:
            parts = ("query", "key", "value") if name.endswith(".qkv") else (name,)
            count = len(parts)
            ours, expected = self.slice(arena, place).chunk(count), reference(name).chunk(count)
            owns = own(name).chunk(count) if own else [None] * count
            for part, a, b, c in zip(parts, ours, expected, owns):
                label = name.replace("qkv", part) + suffix
                yield label, relative(a, b), None if c is None else relative(c, b)


def rounded(arena, precision):
    return arena.to(torch.bfloat16).to(arena.dtype) if precision == "bfloat16" else arena


def build(group, arena, precision, dtype):
    """A model with the weights that the engine multiplies with."""
    return Layout(group).load(peer.Model(read_config(group)).to(dtype), rounded(arena, precision))


def gradients_of(model):
    gradient = {id(p): p.grad for p in model.parameters()}
    return lambda name: gradient[id(Layout.parameter(model, name))]


class Batch:
    def __init__(self, group, sequences):
        self.inputs, self.targets = (tensor(group[name]).view(sequences, -1) for name in ("inputs", "targets"))
        self.starts = tensor(group["starts"]).view(sequences, -1) if "starts" in group else None
        self.weights = tensor(group["weights"]).view(sequences, -1)

    def run(self, model):
        """Last logits, token losses, loss; gradients in the model."""
        model.zero_grad()
        logits = model(self.inputs, self.starts)
        losses = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), self.targets.flatten(), reduction="none"
        ).view_as(self.targets)
        loss = (self.weights * losses).sum() / self.weights.sum()
        loss.backward()
        return logits[:, -1].detach(), losses.detach() * (self.weights != 0), loss.detach()


def run_both(reference, own, batch, precision):
    expected = batch.run(reference)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
        return expected, batch.run(own)


def check_filter(table, shape, sequences):
    errors = []
    for kind, batch in shape["batches"].items():
        ids, scores = (tensor(batch[name]).view(sequences, -1) for name in ("ids", "scores"))
        inputs, targets, weights = peer.filtered(
            batch.attrs["method"].decode() if isinstance(batch.attrs["method"], bytes) else batch.attrs["method"],
            ids, scores, int(batch.attrs["threshold"]), end_of_text=0, hidden=1,
        )
        given = Batch(batch, sequences)
        wrong = (inputs != given.inputs).sum() + ((targets != given.targets) & (weights != 0)).sum()
        wrong += (weights.to(torch.float32) != given.weights.to(torch.float32)).sum()
        errors.append((kind, wrong.item(), None))
    return errors


def check_passes(table, name, shape, precision, sequences):
    arena, layout, limit = tensor(shape["parameters"]), Layout(shape), LIMITS[precision]
    reference, own = (build(shape, arena, precision, dtype) for dtype in (torch.float64, torch.float32))
    stressed = bool(shape.attrs["stressed"])
    worst, sparse = {"logits": [], "token losses": [], "loss": [], "gradient": []}, []
    for kind, group in shape["batches"].items():
        batch, result = Batch(group, sequences), shape[precision][kind]
        expected, found = run_both(reference, own, batch, precision)
        values = (
            tensor(result["logits"]).view(sequences, -1),
            tensor(result["losses"]).view(sequences, -1),
            tensor(result["loss"])[0],
        )
        for quantity, a, b, c in zip(("logits", "token losses", "loss"), values, expected, found):
            worst[quantity].append((kind, relative(a, b), relative(c, b)))
        (sparse if kind == "sparse" else worst["gradient"]).extend(layout.errors(
            tensor(result["gradient"]), gradients_of(reference), gradients_of(own), f" of {kind}"
        ))
    for quantity, errors in worst.items():
        table.add_worst(f"{name} {precision} {quantity}", errors, limit, stressed)
    table.add_worst(f"{name} {precision} gradient, one kept row", sparse, limit, True)


def optimiser_of(model, group):
    fields = group.attrs
    names = ("learning_rate", "beta1", "beta2", "epsilon", "weight_decay")
    return peer.optimiser(model, *(float(fields[name]) for name in names))


def learning_rate(group, step):
    fields = group.attrs
    factor = peer.cosine(step, int(fields["steps"]), int(fields["warmup_steps"]), float(fields["final_factor"]))
    return float(fields["learning_rate"]) * factor


def check_optimiser(table, name, shape, precision):
    """AdamW alone: the engine's own gradients, so that both precisions have the limit of float32."""
    start, layout = tensor(shape["parameters"]), Layout(shape)
    model = layout.load(peer.Model(read_config(shape)).to(torch.float64), start)
    adamw, recorded = optimiser_of(model, shape), shape[precision]["adamw"]
    norms, errors = [], {"parameters": [], "change of parameters": [], "moment1": [], "moment2": []}
    for step in range(int(shape.attrs["steps"])):
        layout.set_gradients(model, tensor(recorded[f"{step + 1}/gradient"]))
        norms.append(peer.update(model, adamw, learning_rate(shape, step), float(shape.attrs["clip_norm"])))
        state = recorded[str(step + 1)]
        if "parameters" not in state:
            continue
        suffix = f" after {step + 1}"
        parameters = lambda n: Layout.parameter(model, n).detach()
        first = {n: layout.slice(start, place) for n, _, place in layout.tensors}
        errors["parameters"] += layout.errors(tensor(state["parameters"]), parameters, suffix=suffix)
        errors["change of parameters"] += layout.errors(
            tensor(state["parameters"]) - start, lambda n: parameters(n) - first[n], suffix=suffix
        )
        for ours, theirs in (("moment1", "exp_avg"), ("moment2", "exp_avg_sq")):
            moment = lambda n: adamw.state[Layout.parameter(model, n)][theirs]
            errors[ours] += layout.errors(tensor(state[ours]), moment, suffix=suffix)
    table.add(f"{name} {precision} AdamW: norms of {len(norms)} gradients", relative(recorded["norms"][()], norms), 1e-6)
    for quantity, found in errors.items():
        limit = UPDATE_LIMIT if quantity.startswith("change") else OPTIMISER_LIMIT
        table.add_worst(f"{name} {precision} AdamW: {quantity}", found, limit)


def check_training(table, name, shape, precision, sequences):
    """Ten steps with PyTorch's own gradients, in float64 and in the engine's precision."""
    arena, layout, recorded = tensor(shape["parameters"]), Layout(shape), shape[precision]["adamw"]
    kinds = ["none", "mask", "remove", "weight", "documents"]
    batches = {kind: Batch(shape["batches"][kind], sequences) for kind in kinds}
    master = layout.load(peer.Model(read_config(shape)).to(torch.float64), arena)
    compute = peer.Model(read_config(shape)).to(torch.float64)
    adamw, losses = optimiser_of(master, shape), []
    for step in range(int(shape.attrs["steps"])):
        with torch.no_grad():
            for ours, theirs in zip(compute.parameters(), master.parameters()):
                ours.copy_(rounded(theirs, precision))
        losses.append(batches[kinds[step % len(kinds)]].run(compute)[2])
        for ours, theirs in zip(compute.parameters(), master.parameters()):
            theirs.grad = ours.grad
        peer.update(master, adamw, learning_rate(shape, step), float(shape.attrs["clip_norm"]))
    table.add(f"{name} {precision} training: losses of 10 steps",
              relative(tensor(recorded["losses"]), torch.stack(losses)), LIMITS[precision])
    table.add_worst(
        f"{name} {precision} training: parameters",
        layout.errors(tensor(recorded["10/parameters"]), lambda n: Layout.parameter(master, n).detach(),
                      suffix=" after 10"),
        TRAINED_LIMIT[precision],
    )


def torch_curve(group, dtype):
    """The losses of PyTorch over the batches of the dump."""
    steps = int(group.attrs["steps"])
    ids = tensor(group["ids"]).view(steps, 4, -1)
    weights = tensor(group["weights"], dtype).view(steps, 4, -1)
    model = build(group, tensor(group["parameters"]), "float32", dtype)
    adamw, losses = optimiser_of(model, group), []
    for step in range(steps):
        model.zero_grad()
        loss = peer.weighted_loss(model, ids[step, :, :-1], ids[step, :, 1:], weights[step])
        loss.backward()
        peer.update(model, adamw, learning_rate(group, step), float(group.attrs["clip_norm"]))
        losses.append(loss.item())
    return torch.tensor(losses, dtype=torch.float64)


def check_trained_gradient(table, group, precision):
    """Of the last batch of the curve, after training."""
    arena, steps = tensor(group[precision]["parameters"]), int(group.attrs["steps"])
    ids, weights = (tensor(group[name]).view(steps, 4, -1)[-1] for name in ("ids", "weights"))
    models = [build(group, arena, precision, dtype) for dtype in (torch.float64, torch.float32)]
    for model, dtype in zip(models, (torch.float64, torch.float32)):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16" and dtype == torch.float32):
            peer.weighted_loss(model, ids[:, :-1], ids[:, 1:], weights.to(dtype)).backward()
    reference, own = (gradients_of(model) for model in models)
    errors = Layout(group).errors(tensor(group[precision]["gradient"]), reference, own)
    table.add_worst(f"curve {precision} gradient after {steps} steps", errors, LIMITS[precision], True)


def check_curve(table, group, precisions):
    single, double = torch_curve(group, torch.float32), torch_curve(group, torch.float64)
    own = (single - double).abs().max().item()
    fall = f"{single[0]:.2f} to {single[-10:].mean():.2f}"
    for precision in precisions:
        ours = tensor(group[precision]["losses"])
        largest = (ours - single).abs().max().item()
        table.add(f"curve {precision}: largest difference of {len(ours)} losses, nats ({fall})", largest,
                  CURVE_LIMIT[precision], own if precision == "float32" else None)
        check_trained_gradient(table, group, precision)


def features_of(group, models):
    """[tokens, 2 D] by document, both directions, in the type of the models."""
    ids, begin = tensor(group["ids"]), tensor(group["document_begin"]).tolist()
    context, layer = int(group.attrs["context"]), int(group.attrs["layer"])
    found = []
    with torch.no_grad():
        for first, end in zip(begin, begin[1:]):
            if end > first:
                both = [peer.document_features(model, ids[first:end], layer, context, 0, reverse)
                        for model, reverse in zip(models, (False, True))]
                found.append(torch.cat(both, 1))
    return torch.cat(found)


def check_directions(table, group, precision):
    """Both language models of the classifier, as they are trained. Returns them in float64 and in the own precision."""
    references, owns, errors, losses = [], [], [], []
    for direction in ("left", "right"):
        arena = tensor(group[direction]["parameters"])
        reference, own = (build(group, arena, precision, dtype) for dtype in (torch.float64, torch.float32))
        rows = len(group[direction]["inputs"]) // int(group.attrs["context"])
        expected, found = run_both(reference, own, Batch(group[direction], rows), precision)
        result = group[precision][direction]
        losses.append((direction, relative(tensor(result["loss"])[0], expected[2]), relative(found[2], expected[2])))
        errors += Layout(group).errors(tensor(result["gradient"]), gradients_of(reference), gradients_of(own),
                                       f" of {direction}")
        references.append(reference)
        owns.append(own)
    table.add_worst(f"biLM {precision} loss", losses, LIMITS[precision])
    table.add_worst(f"biLM {precision} gradient", errors, LIMITS[precision])
    return references, owns


def check_classifier(table, group, precision):
    references, owns = check_directions(table, group, precision)
    expected = features_of(group, references)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
        found = features_of(group, owns)
    result, width = group[precision], expected.shape[1] // 2
    ours = tensor(result["features"]).view_as(expected)
    table.add_worst(
        f"biLM {precision} features",
        [(name, relative(ours[:, part], expected[:, part]), relative(found[:, part], expected[:, part]))
         for name, part in (("left", slice(0, width)), ("right", slice(width, None)))],
        LIMITS[precision],
    )
    weights, bias = peer.fit_probe(ours, tensor(group["labels"]).to(torch.float64), float(group.attrs["ridge"]))
    table.add(f"probe on {precision} features: weights", relative(tensor(result["probe_weights"]), weights), PROBE_LIMIT)
    table.add(f"probe on {precision} features: bias", relative(tensor(result["probe_bias"])[0], bias), PROBE_LIMIT)
    table.add(f"probe on {precision} features: log-odds of {len(ours)} tokens",
              relative(tensor(result["probe_logits"]), ours @ weights + bias), PROBE_LIMIT)


def main():
    parser = argparse.ArgumentParser(description="Compares a dump of the engine with PyTorch.")
    parser.add_argument("dump")
    parser.add_argument("--all", action="store_true", help="show every tensor, not only the worst of each kind")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    with h5py.File(arguments.dump, "r") as dump:
        precisions = [p for p in LIMITS if f"device_{p}" in dump.attrs]
        for precision in precisions:
            device = dump.attrs[f"device_{precision}"]
            print(f"engine: {device.decode() if isinstance(device, bytes) else device}; PyTorch {torch.__version__}")
        table = Table(arguments.all)
        shapes = [name for name in dump if "batches" in dump[name]]
        sequences = 4
        errors = [(f"{kind} of {name}", wrong, None) for name in shapes
                  for kind, wrong, _ in check_filter(table, dump[name], sequences)]
        table.add_worst("filter: inputs, targets and weights that differ", errors, EXACT)
        for precision in precisions:
            for name in shapes:
                check_passes(table, name, dump[name], precision, sequences)
            for name in shapes:
                if "adamw" in dump[name][precision]:
                    check_optimiser(table, name, dump[name], precision)
                    check_training(table, name, dump[name], precision, sequences)
            check_classifier(table, dump["classifier"], precision)
        check_curve(table, dump["curve"], precisions)
        return table.finish()


if __name__ == "__main__":
    sys.exit(main())
