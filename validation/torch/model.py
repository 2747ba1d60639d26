"""The engine's model, classifier features and training step again, in plain PyTorch.

Written from the definitions (docs/validation.md), not from the C code, and kept short enough to be read against them in
one sitting. Works in any floating-point type: the validation runs it in float64 and float32.
SPDX-License-Identifier: Apache-2.0
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional


@dataclass
class Config:
    layers: int
    width: int
    heads: int
    vocabulary: int
    base_width: int
    rotary: bool = True
    rope_base: float = 10000.0
    norm_epsilon: float = 2.0**-23

    @property
    def head_size(self):
        return self.width // self.heads

    @property
    def width_multiplier(self):
        return self.width / self.base_width


def norm(x, gain, epsilon):
    """RMSNorm."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + epsilon) * gain


def rotate(x, positions, base):
    """Rotary positions: dimension i of a head is paired with dimension i + half. x: [B, H, T, K], positions: [B, T]."""
    half = x.shape[-1] // 2
    frequencies = base ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = positions.to(torch.float64)[:, None, :, None] * frequencies
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cosine - b * sine, a * sine + b * cosine], -1)


def visible(starts):
    """[B, 1, T, T]: query t sees keys starts[t] .. t."""
    column = torch.arange(starts.shape[1])
    return ((column[None, :] <= column[:, None]) & (column >= starts[:, :, None]))[:, None]


def attention(q, k, v, mask):
    """muP divides the scores by the head size, not by its root. q, k, v: [B, H, T, K]."""
    scores = (q @ k.transpose(-1, -2)) / q.shape[-1]
    return torch.softmax(scores.masked_fill(~mask, -math.inf), -1) @ v


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        width = config.width
        self.config = config
        self.norm1 = nn.Parameter(torch.ones(width))
        self.qkv = nn.Parameter(torch.empty(3 * width, width))
        self.projection = nn.Parameter(torch.empty(width, width))
        self.norm2 = nn.Parameter(torch.ones(width))
        self.up = nn.Parameter(torch.empty(4 * width, width))
        self.down = nn.Parameter(torch.empty(width, 4 * width))

    def forward(self, x, positions, mask):
        config, (batch, length, width) = self.config, x.shape
        qkv = norm(x, self.norm1, config.norm_epsilon) @ self.qkv.T
        q, k, v = qkv.view(batch, length, 3, config.heads, config.head_size).permute(2, 0, 3, 1, 4)
        if config.rotary:
            q, k = rotate(q, positions, config.rope_base), rotate(k, positions, config.rope_base)
        mixed = attention(q, k, v, mask).transpose(1, 2).reshape(batch, length, width)
        x = x + mixed @ self.projection.T
        hidden = torch.relu(norm(x, self.norm2, config.norm_epsilon) @ self.up.T).square()
        return x + hidden @ self.down.T


class Model(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.embedding = nn.Parameter(torch.empty(config.vocabulary, config.width))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.Parameter(torch.ones(config.width))

    def stream(self, inputs, starts=None, layers=None):
        """The residual stream after `layers` blocks. inputs: [B, T]; starts: first position each token sees."""
        column = torch.arange(inputs.shape[1]).expand_as(inputs)
        starts = torch.zeros_like(inputs) if starts is None else starts
        x = self.embedding[inputs]
        for block in self.blocks[:layers]:
            x = block(x, column - starts, visible(starts))
        return x

    def forward(self, inputs, starts=None):
        x = norm(self.stream(inputs, starts), self.norm, self.config.norm_epsilon)
        return x @ self.embedding.T / self.config.width_multiplier

    def features(self, inputs, layer):
        """The stream after `layer` blocks, each row at unit root mean square."""
        x = self.stream(inputs, layers=layer)
        return x / x.square().mean(-1, keepdim=True).sqrt()


def token_losses(model, inputs, targets, starts=None):
    logits = model(inputs, starts)
    return functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view_as(targets)


def weighted_loss(model, inputs, targets, weights, starts=None):
    """Over the whole batch, however it is divided into micro-batches."""
    return (weights * token_losses(model, inputs, targets, starts)).sum() / weights.sum()


def filtered(method, ids, scores, threshold, end_of_text, hidden):
    """ids, scores: [B, T + 1] of the stream. Returns inputs, targets, weights, each [B, T]."""
    forget = (scores >= threshold) & (ids != end_of_text)
    weights = torch.ones(ids[:, 1:].shape, dtype=torch.float64)
    if method in ("mask", "remove"):
        weights = (~forget[:, 1:]).to(torch.float64)
    if method == "weight":  # 1 - p; a score is the log-odds in steps of 1/2048, 0 at 32768
        keep = torch.sigmoid(-(scores.to(torch.float64) - 32768) / 2048)
        weights = torch.where(ids == end_of_text, torch.ones_like(keep), keep)[:, 1:]
    if method == "remove":
        ids = torch.where(forget, torch.full_like(ids, hidden), ids)
    return ids[:, :-1], ids[:, 1:], weights


# ---- training


def optimiser(model, learning_rate, beta1, beta2, epsilon, weight_decay, **options):
    """AdamW in muP's groups: matrices inside blocks learn at 1 / width multiplier of the rate, gains do not decay."""
    matrices = [p for p in model.blocks.parameters() if p.dim() == 2]
    gains = [p for p in model.parameters() if p.dim() == 1]
    groups = [
        {"params": [model.embedding], "factor": 1.0, "weight_decay": weight_decay},
        {"params": matrices, "factor": 1.0 / model.config.width_multiplier, "weight_decay": weight_decay},
        {"params": gains, "factor": 1.0, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(beta1, beta2), eps=epsilon, **options)


def cosine(step, steps, warmup_steps, final_factor):
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    share = min(1.0, (step - warmup_steps) / (steps - warmup_steps))
    return final_factor + (1 - final_factor) * 0.5 * (1 + math.cos(math.pi * share))


def update(model, adamw, learning_rate, clip_norm):
    """One step with the gradients that are there. Returns their norm before clipping."""
    total = torch.sqrt(sum(p.grad.square().sum() for p in model.parameters()))
    if total > clip_norm:
        for p in model.parameters():
            p.grad *= clip_norm / total
    for group in adamw.param_groups:
        group["lr"] = learning_rate * group["factor"]
    adamw.step()
    return total.item()


# ---- classifier


def windows(tokens, context):
    """Where the windows of a document begin, their width, and which one answers for each token: the one in which the
    token is farthest from a cut, the earlier of two. A window is context - 1 tokens, half of them shared with the next;
    the last one is moved back to end with the document."""
    width = min(context - 1, tokens)
    last, stride = tokens - width, (context - 1) - (context - 1) // 2
    begins = [min(i * stride, last) for i in range(1 + -(-last // stride))]

    def distance(begin, token):
        if not begin <= token < begin + width:
            return -1
        before = token - begin if begin > 0 else math.inf
        after = begin + width - 1 - token if begin < last else math.inf
        return min(before, after)

    answers = [max(range(len(begins)), key=lambda i: distance(begins[i], token)) for token in range(tokens)]
    return begins, width, answers


def document_features(model, document, layer, context, end_of_text, reverse):
    """Of every token of one document, read alone behind an end-of-text token. [tokens, D]"""
    begins, width, answers = windows(len(document), context)
    rows = torch.stack([document[begin : begin + width] for begin in begins])
    rows = rows.flip(1) if reverse else rows
    inputs = torch.cat([torch.full((len(begins), 1), end_of_text), rows], 1)
    values = model.features(inputs, layer)[:, 1:]
    values = values.flip(1) if reverse else values
    return torch.stack([values[window, token - begins[window]] for token, window in enumerate(answers)])


def fit_probe(features, labels, ridge):
    """Logistic regression on standardised features by Newton's method; weights and bias for the features as they are."""
    mean, deviation = features.mean(0), features.std(0, unbiased=False)
    x = torch.cat([(features - mean) / deviation, torch.ones(len(features), 1, dtype=features.dtype)], 1)
    penalty = torch.full((x.shape[1],), ridge, dtype=x.dtype)
    penalty[-1] = 0
    w = torch.zeros(x.shape[1], dtype=x.dtype)
    for _ in range(50):
        p = torch.sigmoid(x @ w)
        gradient = x.T @ (p - labels) / len(x) + penalty * w
        hessian = (x * (p * (1 - p))[:, None]).T @ x / len(x) + torch.diag(penalty)
        w = w - torch.linalg.solve(hessian, gradient)
    weights = w[:-1] / deviation
    return weights, w[-1] - (weights * mean).sum()
