"""Progressive Transformers (Saunders, Camgoz and Bowden 2020) as a worker that is told to step.

Our own short version of the architecture, the padded batch, the loss and the greedy loop, for the
ratios of docs/speed.md; it runs in the environment of `make peer-env` and is not in the wheel:

    .venv-peer/bin/python peers/progressive_transformers.py THREADS eager|compiled

Each line of standard input is a JSON job, each line of standard output its answer
{"cpu_seconds", "wall_seconds", "frames"}. Where PyTorch has a quicker form than the original's
(fused attention, fused Adam), it is used.
"""

import json
import os
import sys
import time

THREADS, MODE = int(sys.argv[1]), sys.argv[2]
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])  # before PyTorch counts cores

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

FEATURES = 151  # 50 joints in three dimensions, and the counter
NOISE = 0.1  # deviation of what is added to the frames that the decoder sees


class Attention(nn.Module):
    """Attention of several heads."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x, memory, mask):
        """x [B, N, M], memory [B, S, M], mask bool [B, 1, N or 1, S] -> [B, N, M]."""
        query, key, value = (
            layer(part).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, part in ((self.query, x), (self.key, memory), (self.value, memory))
        )
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.out(out.transpose(1, 2).flatten(-2))


class Layer(nn.Module):
    """A pre-norm layer: self-attention, attention to the text in a decoder, feed-forward."""

    def __init__(self, width: int, heads: int, mlp: int, cross: bool):
        super().__init__()
        self.attend, self.norm = Attention(width, heads), nn.LayerNorm(width)
        if cross:
            self.attend_text, self.norm_text = Attention(width, heads), nn.LayerNorm(width)
        self.norm_feed = nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, mlp), nn.ReLU(), nn.Linear(mlp, width))

    def forward(self, x, mask, memory=None, memory_mask=None):
        """x [B, N, M] -> [B, N, M]."""
        y = self.norm(x)
        x = x + self.attend(y, y, mask)
        if memory is not None:
            x = x + self.attend_text(self.norm_text(x), memory, memory_mask)
        return x + self.feed(self.norm_feed(x))


class ProgressiveTransformer(nn.Module):
    """Text tokens in, frames with their counter out."""

    def __init__(self, vocab: int, width: int, heads: int, mlp: int, layers: int, longest: int):
        super().__init__()
        self.embed, self.embed_frame = nn.Embedding(vocab, width), nn.Linear(FEATURES, width)
        self.encoder = nn.ModuleList(Layer(width, heads, mlp, False) for _ in range(layers))
        self.decoder = nn.ModuleList(Layer(width, heads, mlp, True) for _ in range(layers))
        self.norm_text, self.norm_frames = nn.LayerNorm(width), nn.LayerNorm(width)
        self.head = nn.Linear(width, FEATURES)
        rate = torch.exp(-torch.arange(0, width, 2) / width * torch.log(torch.tensor(10_000.0)))
        angle = torch.arange(longest)[:, None] * rate
        self.register_buffer("places", torch.cat([angle.sin(), angle.cos()], -1))
        self.register_buffer("causal", torch.ones(longest, longest, dtype=torch.bool).tril())

    def encode(self, text):
        """Tokens int64 [B, S] -> [B, S, M]."""
        x = self.embed(text) + self.places[: text.shape[1]]
        mask = torch.ones(text.shape[0], 1, 1, text.shape[1], dtype=torch.bool)
        for layer in self.encoder:
            x = layer(x, mask)
        return self.norm_text(x)

    def decode(self, memory, frames):
        """What follows each of the frames [B, T, FEATURES], from those up to it."""
        time = frames.shape[1]
        x = self.embed_frame(frames) + self.places[:time]
        mask = self.causal[None, None, :time, :time]
        seen = torch.ones(memory.shape[0], 1, 1, memory.shape[1], dtype=torch.bool)
        for layer in self.decoder:
            x = layer(x, mask, memory, seen)
        return self.head(self.norm_frames(x))

    def forward(self, text, frames):
        """Teacher-forced prediction [B, T, FEATURES]."""
        return self.decode(self.encode(text), frames)


def compiled(function, **options):
    """The function as PyTorch compiles it, in the mode that asks for it."""
    return torch.compile(function, **options) if MODE == "compiled" else function


def train(job: dict):
    """Steps on a batch of clips, padded to the longest of them."""
    torch.manual_seed(0)
    lengths = torch.tensor(job["lengths"])
    longest = int(lengths.max())
    model = ProgressiveTransformer(**job["model"], longest=longest)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    text = torch.randint(2, job["model"]["vocab"], (len(lengths), job["tokens"]))
    target = torch.randn(len(lengths), longest, FEATURES)
    real = (torch.arange(longest) < lengths[:, None])[..., None]
    target = target * real
    before = F.pad(target, (0, 0, 1, 0))[:, :-1]
    predict = compiled(model)

    def run():
        for _ in range(job["steps"]):
            optimizer.zero_grad()
            out = predict(text, before + NOISE * torch.randn_like(before))
            loss = F.mse_loss(out * real, target)
            loss.backward()
            optimizer.step()
        loss.item()
        return int(lengths.sum()) * job["steps"]

    return run


def decode(job: dict):
    """The greedy loop: for every frame the decoder runs over all frames so far.

    With `every` = n only each n-th frame is made, and the others are copies of the one before: what
    a frame costs is a matter of how many there are before it.
    """
    torch.manual_seed(0)
    clips, frames, every = job["clips"], job["frames"], job["every"]
    model = ProgressiveTransformer(**job["model"], longest=max(frames, job["tokens"])).eval()
    text = torch.randint(2, job["model"]["vocab"], (clips, job["tokens"]))
    predict = compiled(model.decode, dynamic=True)

    @torch.inference_mode()
    def run():
        memory = model.encode(text)
        made = torch.zeros(clips, 1, FEATURES)
        count = 0
        for place in range(frames):
            new = made[:, -1:]
            if place % every == every // 2:
                new, count = predict(memory, made[:, -frames:])[:, -1:], count + 1
            made = torch.cat([made, new], 1)
        return clips * count

    return run


def timed(run) -> dict:
    """An answer."""
    cpu, wall = time.process_time(), time.perf_counter()
    frames = run()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu_seconds": cpu, "wall_seconds": wall, "frames": frames}


def main():
    """Answers jobs until standard input ends; what compiles counts in the first answer to a job."""
    torch.set_num_threads(THREADS)
    made = {}
    for line in sys.stdin:
        if line not in made:
            job = json.loads(line)
            made[line] = {"train": train, "decode": decode}[job["do"]](job)
        print(json.dumps(timed(made[line]) | {"version": torch.__version__}), flush=True)


if __name__ == "__main__":
    main()
