#!/usr/bin/env python3
"""Compares our tokenizer with tiktoken, id by id.

  tokenizer_compare.py ENCODER RANKS.tiktoken TOKENIZER [TEXTS ...]

ENCODER    the built program validation/tokenizer_encode
RANKS      cl100k_base.tiktoken or r50k_base.tiktoken, given to tiktoken
TOKENIZER  what our program reads: the same file, an encoder.json of GPT-2 or a *.h5
TEXTS      JSON lines files (.jsonl, .jsonl.zst, .jsonl.gz) or plain text; strings that are hard to encode come always

Needs tiktoken (and zstandard for .zst). Ends with status 1 at the first difference.
SPDX-License-Identifier: Apache-2.0
"""
import base64
import gzip
import io
import json
import random
import struct
import subprocess
import sys
import threading

import tiktoken

CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]"
          r"|\s+(?!\S)|\s")
R50K = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"


def reference(path):
    with open(path, "rb") as file:
        ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in file if line.strip())}
    pattern = R50K if len(ranks) == 50256 else CL100K
    return tiktoken.Encoding("reference", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})


def texts_of(path):
    if path.endswith(".zst"):
        import zstandard
        stream = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(open(path, "rb")))
    else:
        stream = gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb")
    with stream:
        if ".jsonl" in path:
            for line in stream:
                yield json.loads(line)["text"].encode()
        else:
            yield stream.read()


def hard_texts():
    rng = random.Random(1)
    spaces = [chr(c) for c in (*range(0x1C, 0x20), 0x85, 0xA0, 0x1680, 0x180E, *range(0x2000, 0x200C),
                               0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF)]
    yield from (b"", b" ", b"\n", b"\r\n", b"a\n  ", b"\n \n ", b" \r\n\r\n x", b"  \n", b"\t\tx", b"\x00", b"\xff")
    yield from ("it's IT'S I'LL we'Re 'Tis o'\u017f x'\u017f \u017f".encode(), "caf\u00e9 na\u00efve \ufb01".encode())
    yield from (("a" + space + "b" + space * 3 + "c" + space).encode() for space in spaces)
    for unit in ("a", "ab", " ", "\n", "é", "漢", "🙂", "0", "!", "\u0301", " \n", "aB", "👨‍👩‍👧‍👦"):
        yield (unit * 2000).encode()
    yield b"a" * 200000
    yield b" " * 100000 + b"x"
    yield b"=" * 100000
    everything = [chr(c) for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000]
    for start in range(0, len(everything), 50000):
        yield "".join(everything[start:start + 50000]).encode()
        yield "x".join(everything[start:start + 50000]).encode()
    ascii_rich = "aA 1.'\n\r\t sSdDlL\u00e9\u6f22\U0001F600\u200d\u0301\u0085\u2028"
    for _ in range(20000):
        yield "".join(rng.choice(ascii_rich) for _ in range(rng.randrange(60))).encode()
    for _ in range(20000):
        yield "".join(rng.choice(everything) for _ in range(rng.randrange(40))).encode()
    broken = b"\x41\x20\x80\xbf\xc3\xa9\xe2\x82\xac\xed\xa0\xf0\x9f\x98\x80\xf5\xff"
    for _ in range(20000):
        yield bytes(rng.choice(broken) for _ in range(rng.randrange(30)))
    for _ in range(5000):
        yield rng.randbytes(rng.randrange(200))


def compare(encoder, encoding, name, texts):
    documents = size = tokens = 0
    pending = []
    process = subprocess.Popen(encoder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def feed():
        for text in texts:
            pending.append(text)
            process.stdin.write(struct.pack("<I", len(text)) + text)
        process.stdin.close()

    thread = threading.Thread(target=feed)
    thread.start()
    index = 0
    while head := process.stdout.read(4):
        count, = struct.unpack("<I", head)
        ours = struct.unpack(f"<{3 * count}I", process.stdout.read(12 * count))
        text, pending[index] = pending[index], None
        theirs = encoding.encode_ordinary(text.decode("utf-8", errors="replace"))
        if list(ours[:count]) != theirs:
            sys.exit(f"{name}: text {index} differs: {text[:200]!r}\n"
                     f" ours   {ours[:min(count, 50)]}\n theirs {theirs[:50]}")
        begins, ends = ours[count:2 * count], ours[2 * count:]
        if count and (begins[0] != 0 or ends[-1] != len(text) or any(b > e for b, e in zip(begins, ends))
                      or any(b > e for b, e in zip(begins[1:], ends))):
            sys.exit(f"{name}: byte offsets of text {index} leave a gap: {text[:200]!r}")
        index += 1
        documents, size, tokens = documents + 1, size + len(text), tokens + count
    thread.join()
    if process.wait() != 0 or index != len(pending):
        sys.exit(f"{name}: the encoder ended early")
    print(f"{name}: {documents} texts, {size} bytes, {tokens} tokens, all equal")
    return documents, size, tokens


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    program, ranks, tokenizer, paths = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
    encoding = reference(ranks)
    total = [0, 0, 0]
    for name, texts in [("hard texts", hard_texts()), *((path, texts_of(path)) for path in paths)]:
        total = [a + b for a, b in zip(total, compare([program, tokenizer], encoding, name, texts))]
    print(f"total: {total[0]} texts, {total[1]} bytes, {total[2]} tokens, 0 differences")


main()
