#!/usr/bin/env python3
"""Our program and a peer take turns (A B A B ...): medians, least and most, and the ratio.

usage: compare.py train|score [--cases quickstart 13M 61M] [--precisions float32 bfloat16] [--rounds 5]
                              [--threads 2] [--mask-share 0] [--python PYTHON ...] [--peer="OPTIONS"]
                              [--hdf5 FILE] [--wait]
       compare.py train --llmc PROGRAM
train, score: the peer is torch_peer.py under each given Python (default: this one, or /usr/bin/python3). --peer:
further options of torch_peer.py, such as --peer="--compile no". --llmc: the peer is the CPU trainer of llm.c, a program
train_gpt2 that you have built as its README says; it gets random parameters and tokens of GPT-2 124M's shapes and
trains on 4 x 64 tokens a step, and so does ours in float32.
All programs are started and do their first rounds before the first measurement; --wait then waits for a line on
standard input, so that the machine can be made quiet. builddir (environment): the build folder.
SPDX-License-Identifier: Apache-2.0
"""

import argparse
import array
import os
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("builddir", os.path.join(HERE, "../../build")))
LARGE = ["--vocabulary", "100288", "--context", "512"]
QUICKSTART = ["--size", "L2-D96-H3", "--vocabulary", "2048", "--context", "128"]  # inputs/quickstart.in, the largest
# What both programs are told, and the steps of a round, so that a round takes about a second.
CASES = {
    "train": {
        "quickstart": (QUICKSTART + ["--sequences", "8"], 50),
        "13M": (["--size", "13M", "--sequences", "4", *LARGE], 2),
        "61M": (["--size", "61M", "--sequences", "4", *LARGE], 1),
    },
    "score": {
        "quickstart": (QUICKSTART + ["--rows", "8"], 150),
        "13M": (["--size", "13M", "--rows", "8", *LARGE], 20),
        "61M": (["--size", "61M", "--rows", "8", *LARGE], 1),
    },
}  # fmt: skip
GPT2 = {"context": 1024, "vocabulary": 50257, "padded": 50304, "layers": 12, "heads": 12, "width": 768}
GPT2_CASE = ["--size", "L12-D768-H12", "--vocabulary", str(GPT2["padded"]), "--context", "64", "--sequences", "4"]


class Failed(Exception):
    pass


class Program:
    """A program that begins a round when it is told so and prints its seconds, then a heading line and a row."""

    def __init__(self, command):
        self.command = command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.rounds, self.row, self.title = [], {}, ""

    def line(self):
        text = self.process.stdout.readline()
        if not text:
            raise Failed(f"{shlex.join(self.command)}: ended too early, exit code {self.process.wait()}")
        return text.strip()

    def prepare(self):
        while self.line() != "ready":
            pass

    def turn(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.rounds.append(float(self.line()))

    def finish(self):
        self.process.stdin.close()
        lines = self.process.stdout.read().splitlines()
        if self.process.wait() or len(lines) < 2:
            raise Failed(f"{shlex.join(self.command)}: exit code {self.process.returncode}")
        self.title = " ".join(lines[:-2])
        self.row = dict(zip(lines[-2].split(), lines[-1].split()))
        return float(self.row["tokens/s"]) * statistics.median(self.rounds)  # tokens of a step

    def stop(self):
        self.process.kill()
        self.process.wait()


def write_gpt2(folder):
    """Random parameters and tokens where llm.c's program looks for them; its headers are 256 32-bit integers."""
    layers, width, context, padded = GPT2["layers"], GPT2["width"], GPT2["context"], GPT2["padded"]

    def header(*numbers):
        return array.array("i", [*numbers, *[0] * (256 - len(numbers))]).tobytes()

    # Embeddings; norms, attention, norms, MLP of all layers, each a weight and a bias; the final norm.
    parts = [(padded * width, 0), (context * width, 0), (layers * width, 1), (layers * width, 0),
             (layers * 3 * width * width, 0), (layers * 3 * width, 0), (layers * width * width, 0),
             (layers * width, 0), (layers * width, 1), (layers * width, 0), (layers * 4 * width * width, 0),
             (layers * 4 * width, 0), (layers * 4 * width * width, 0), (layers * width, 0), (width, 1),
             (width, 0)]  # fmt: skip
    state = 1
    noise = array.array("f")
    for _ in range(65536):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        noise.append(((state >> 40) / 2**24 - 0.5) * 0.07)  # deviation 0.02
    with open(os.path.join(folder, "gpt2_124M.bin"), "wb") as file:
        file.write(header(20240326, 3, context, GPT2["vocabulary"], layers, GPT2["heads"], width, padded))
        for count, one in parts:
            values = array.array("f", [1.0]) * 65536 if one else noise
            for first in range(0, count, 65536):
                file.write(values[: min(65536, count - first)].tobytes())
    data = os.path.join(folder, "dev/data/tinyshakespeare")
    os.makedirs(data)
    tokens = array.array("H")
    for _ in range(65536):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        tokens.append((state >> 40) % GPT2["vocabulary"])
    for part in ("train", "val"):
        with open(os.path.join(data, f"tiny_shakespeare_{part}.bin"), "wb") as file:
            file.write(header(20240520, 1, len(tokens)) + tokens.tobytes())


class LlmC(Program):
    """llm.c's program trains on and on; it is stopped between its steps while it is not its turn."""

    def __init__(self, program, threads, folder):
        write_gpt2(folder)
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
        self.command = ["stdbuf", "-oL", os.path.abspath(program)]
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment, errors="replace"
        )
        self.rounds, self.row, self.title = [], {}, "llm.c train_gpt2"

    def step(self):
        while not self.line().startswith("step "):
            pass
        self.process.send_signal(signal.SIGSTOP)

    def prepare(self):  # its first step comes after five batches of validation, the next nine follow each other
        self.step()

    def turn(self):
        start = time.perf_counter()
        self.process.send_signal(signal.SIGCONT)
        self.step()
        self.rounds.append(time.perf_counter() - start)

    def finish(self):
        status = open(f"/proc/{self.process.pid}/status").read()
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        self.row = {"peakMiB": f"{peak / 1024:.1f}", "GEMM%": "nan", "ceiling": "nan"}
        self.stop()
        return 4 * 64


def read_options():
    parser = argparse.ArgumentParser(description="Our program and a peer take turns.")
    parser.add_argument("work", choices=sorted(CASES))
    cases = list(CASES["train"])  # those of score are called the same
    parser.add_argument("--cases", nargs="+", choices=cases, default=cases)
    parser.add_argument("--precisions", nargs="+", choices=("float32", "bfloat16"), default=["float32", "bfloat16"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--mask-share", type=float, default=0.0)
    parser.add_argument("--python", nargs="+")
    parser.add_argument("--peer", default="")
    parser.add_argument("--llmc")
    parser.add_argument("--hdf5")
    parser.add_argument("--wait", action="store_true")
    options = parser.parse_args()
    if not 1 <= options.rounds <= 9:
        parser.error("--rounds is 1 to 9")
    if options.work == "score" and (options.llmc or options.mask_share):
        parser.error("--llmc and --mask-share are options of train")
    return options


def python_with_torch(given):
    for python in given or (sys.executable, "/usr/bin/python3"):
        found = subprocess.run([python, "-c", "import torch"], stderr=subprocess.DEVNULL, check=False).returncode == 0
        if found:
            yield python
            if not given:
                return
        elif given:
            raise Failed(f"{python} has no torch")
    if not given:
        raise Failed("no Python here has torch: give one with --python (Debian: apt-get install python3-torch)")


def contests(options, folder):
    """(case, precision, our program, peer), started."""
    ours = [os.path.join(BUILD, "validation/bench", f"{options.work}_bench"), "--paced"]
    shared = ["--threads", str(options.threads), "--steps", str(options.rounds)]
    if options.llmc:
        command = ours + shared + GPT2_CASE + ["--hdf5", os.path.join(folder, "ours.h5")]
        yield "GPT-2-124M", "float32", Program(command), LlmC(options.llmc, options.threads, folder)
        return
    if options.mask_share:
        shared += ["--mask-share", str(options.mask_share)]
    for python in list(python_with_torch(options.python)):
        peer = [python, "-B", os.path.join(HERE, "torch_peer.py"), options.work, "--paced", *shlex.split(options.peer)]
        for case in options.cases:
            told, group = CASES[options.work][case]
            for precision in options.precisions:
                common = [*told, "--precision", precision, "--group", str(group), *shared]
                yield (case, precision, Program(ours + common + ["--hdf5", os.path.join(folder, "ours.h5")]),
                       Program(peer + common))  # fmt: skip


def result(case, precision, ours, peer):
    """One row: name -> (value, unit, meaning)."""
    row = {"case": (case, "", "shape"), "precision": (precision, "", "of activations and products")}
    medians = []
    for who, program in (("ours", ours), ("peer", peer)):
        tokens = program.finish()
        rates = sorted(tokens / seconds for seconds in program.rounds)
        medians.append(statistics.median(rates))
        row[who] = (medians[-1], "1/s", f"tokens a second, {who}, median")
        row[f"{who}_least"] = (rates[0], "1/s", f"tokens a second, {who}, least")
        row[f"{who}_most"] = (rates[-1], "1/s", f"tokens a second, {who}, most")
        share = float(program.row["GEMM%"]) / 100
        row[f"{who}_ceiling_share"] = (share, "1", f"flops over those of a large product, {who}")
        row[f"{who}_gemm_ceiling"] = (float(program.row["ceiling"]) * 1e9, "1/s", f"flops of a large product, {who}")
        row[f"{who}_peak_memory"] = (float(program.row["peakMiB"]) * 2**20, "B", f"largest resident size, {who}")
    row["planned_memory"] = (float(ours.row["planMiB"]) * 2**20, "B", "memory of ours as planned")
    row["ratio"] = (medians[0] / medians[1], "1", "ours divided by peer")
    row["peer_name"] = (peer.title, "", "the peer")
    return row


def show(rows):
    def spread(row, who):
        return f"{row[who][0]:.0f} ({row[who + '_least'][0]:.0f}..{row[who + '_most'][0]:.0f})"

    lines = [("case", "precision", "ours tokens/s (least..most)", "peer tokens/s (least..most)", "ratio", "GEMM % ours",
              "peer", "peak MiB ours", "plan", "peer")]  # fmt: skip
    for row in rows:
        lines.append((row["case"][0], row["precision"][0], spread(row, "ours"), spread(row, "peer"),
                      f"{row['ratio'][0]:.2f}", f"{100 * row['ours_ceiling_share'][0]:.1f}",
                      f"{100 * row['peer_ceiling_share'][0]:.1f}", f"{row['ours_peak_memory'][0] / 2**20:.0f}",
                      f"{row['planned_memory'][0] / 2**20:.0f}",
                      f"{row['peer_peak_memory'][0] / 2**20:.0f}"))  # fmt: skip
    width = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print("  ".join(text.ljust(w) if i < 2 else text.rjust(w) for i, (text, w) in enumerate(zip(line, width))))
    for name in sorted({row["peer_name"][0] for row in rows}):
        print("peer:", name)


def store(path, rows, ours):
    """Columns with unit and long_name, as the programs' own files; /provenance is that of our program."""
    import h5py

    with h5py.File(path, "w") as file, h5py.File(ours) as source:
        for name, (value, unit, meaning) in rows[0].items():
            values = [row[name][0] for row in rows]
            texts = isinstance(value, str)
            column = file.create_dataset(name, data=[text.encode() for text in values] if texts else values)
            column.attrs["unit"], column.attrs["long_name"] = unit, meaning
        group = file.create_group("provenance")
        for name, value in source["provenance"].attrs.items():
            group.attrs[name] = value
        group.attrs["command_line"] = shlex.join(sys.argv)


def compare(options, folder):
    pairs = []
    try:
        for case, precision, ours, peer in contests(options, folder):
            pairs.append((case, precision, ours, peer))
            for program in (ours, peer):
                program.prepare()
        if options.wait:
            print("prepared: give a line when the machine is quiet", file=sys.stderr, flush=True)
            sys.stdin.readline()
        for _, _, ours, peer in pairs:
            for _ in range(options.rounds):
                ours.turn()
                peer.turn()
        rows = [result(*pair) for pair in pairs]
    finally:
        for pair in pairs:
            for program in pair[2:]:
                program.stop()
    show(rows)
    if options.hdf5:
        store(options.hdf5, rows, os.path.join(folder, "ours.h5"))


def main():
    options = read_options()
    target = f"validation/bench/{options.work}_bench"
    subprocess.run(["make", "-s", "-C", BUILD, target], check=True, stdout=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="capshape.") as folder:
        compare(options, folder)


if __name__ == "__main__":
    try:
        main()
    except (Failed, subprocess.CalledProcessError, OSError) as failure:
        sys.exit(f"compare.py: {failure}")
