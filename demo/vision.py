"""First stage of the training: the vision tower, taught as a plain classifier of scenes.

It works on 128 x 128 pictures, a third of what the finished model takes, because that is nine times
less work; `model.enlarge_patches` then spreads each weight of the patch embedding over the 3 x 3 pixels
that were averaged into one, which gives the same features for the full 384 x 384 picture.
"""

import multiprocessing
import random
import time
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor, nn
from transformers import SiglipVisionModel

from demo.model import PATCH_PX, REDUCTION, SIDE_PX, VISION_FEATURE_LAYER, vision_config
from demo.scenes import CHOICES, SIDES_PX, Scene, draw, random_side_px, through_jpeg

BATCH = 64
PEAK_LEARNING_RATE = 1e-3
COMMON_LONGEST_PX = 640  # nine pictures of ten are drawn no larger: big ones look alike once reduced
LARGE_SHARE = 0.1
JPEG_SHARE = 0.8
POSITIONS = "embeddings.position_embedding.weight"
MASK_LAYER = 2
MASK_CELLS = 4  # per side of a patch
MASK_WEIGHT = 5.0
MASK_THRESHOLD = 32  # the two nearest colours differ by 80 in a channel; JPEG's noise stays below


@dataclass(frozen=True)
class Pictures:
    """Drawn scenes: `pixels` uint8, (n, 3, side, side); `labels` int64, (n, 5), in CHOICES' order."""

    pixels: Tensor
    labels: Tensor
    scenes: list[Scene]


def draw_pictures(count: int, seed: int, processes: int) -> Pictures:
    """Draws `count` scenes at all sizes, and brings each to a third of 384 pixels per side."""
    chunk = 500
    jobs = [(seed * 1_000_003 + n, min(chunk, count - n)) for n in range(0, count, chunk)]
    # Not forked: a forked child hangs when torch's threads already run in its parent.
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        parts = pool.starmap(_draw_chunk, jobs)
    scenes = [scene for _, part in parts for scene in part]
    side = SIDE_PX // REDUCTION
    flat = torch.frombuffer(bytearray(b"".join(data for data, _ in parts)), dtype=torch.uint8)
    labels = [
        [choices.index(word) for choices, word in zip(CHOICES.values(), scene.words, strict=True)]
        for scene in scenes
    ]
    pixels = flat.view(count, side, side, 3).permute(0, 3, 1, 2).contiguous()
    return Pictures(pixels, torch.tensor(labels), scenes)


def _draw_chunk(seed: int, count: int) -> tuple[bytes, list[Scene]]:
    rng = random.Random(seed)
    scenes = [Scene.random(rng) for _ in range(count)]
    return b"".join(_draw_reduced(scene, rng) for scene in scenes), scenes


def _draw_reduced(scene: Scene, rng: random.Random) -> bytes:
    longest_px = SIDES_PX[1] if rng.random() < LARGE_SHARE else COMMON_LONGEST_PX
    picture = draw(scene, rng, random_side_px(rng, longest_px))
    if rng.random() < JPEG_SHARE:
        picture = through_jpeg(picture, rng)
    squashed = picture.resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    return squashed.reduce(REDUCTION).tobytes()


def to_input(pixels: Tensor) -> Tensor:
    """Scales uint8 pixels as the model's processor does: to float32 from -1 to 1."""
    return pixels.float() / 127.5 - 1.0


class SceneClassifier(nn.Module):
    """The vision tower and, for each word of a scene, one look over its features.

    A second head, on a middle layer, tells which parts of each patch belong to the shape. Without it
    the tower learns colours within minutes, but hardly any shapes and places.
    """

    def __init__(self) -> None:
        super().__init__()
        config = vision_config(REDUCTION)
        config.num_hidden_layers += VISION_FEATURE_LAYER + 1  # LLaVA never looks at the last one
        # Over 64 tokens plain attention trains faster on a CPU than the fused one.
        config._attn_implementation = "eager"
        self.tower = SiglipVisionModel(config)
        positions = self.tower.get_parameter(POSITIONS)
        positions.data.copy_(sine_cosine_positions(positions.shape[1]))
        width = config.hidden_size
        self.norm = nn.LayerNorm(width)
        self.queries = nn.Linear(width, len(CHOICES))
        self.hidden = nn.Linear(width, width)
        self.answers = nn.ModuleList(nn.Linear(width, len(c)) for c in CHOICES.values())
        self.mask_norm = nn.LayerNorm(width)
        self.mask = nn.Linear(width, MASK_CELLS**2)

    def features(self, pixels: Tensor) -> Tensor:
        """Gives what LLaVA takes from the tower: (batch, tokens, width)."""
        return self._states(pixels)[-1]

    def forward(self, pixels: Tensor) -> tuple[list[Tensor], Tensor]:
        """Gives a scene's words as logits, and the shape's mask as logits, (batch, tokens, cells)."""
        states = self._states(pixels)
        features = self.norm(states[-1])
        weights = self.queries(features).softmax(dim=1)  # (batch, tokens, words)
        looks = torch.einsum("btq,btw->bqw", weights, torch.relu(self.hidden(features)))
        words = [answer(looks[:, n]) for n, answer in enumerate(self.answers)]
        return words, self.mask(self.mask_norm(states[MASK_LAYER]))

    def _states(self, pixels: Tensor) -> tuple[Tensor, ...]:
        states: tuple[Tensor, ...] = self.tower(to_input(pixels), output_hidden_states=True).hidden_states
        return states


def sine_cosine_positions(width: int) -> Tensor:
    """Gives where each patch lies, as sines and cosines of its row and column: (tokens, width).

    SigLIP's own random beginning is ten times weaker than the colours it is added to.
    """
    side = SIDE_PX // PATCH_PX
    frequencies = torch.pi / side * torch.arange(1, width // 4 + 1) / 2
    angles = torch.arange(side)[:, None] * frequencies
    waves = torch.cat([angles.sin(), angles.cos()], dim=1)  # (side, width / 2)
    rows = waves[:, None, :].expand(side, side, -1)
    columns = waves[None, :, :].expand(side, side, -1)
    return torch.cat([rows, columns], dim=2).reshape(side * side, width)


def shape_mask(pixels: Tensor) -> Tensor:
    """Gives how much of each cell of each patch differs from the picture's corners, as the model's tokens.

    (batch, 3, side, side) uint8 gives (batch, tokens, cells) float from 0 to 1. No shape reaches a
    corner.
    """
    values = pixels.float()
    corners = torch.stack([values[:, :, y, x] for y in (1, -2) for x in (1, -2)]).median(0).values
    differs = (values - corners[:, :, None, None]).abs().amax(dim=1, keepdim=True) > MASK_THRESHOLD
    cell_px = PATCH_PX // REDUCTION // MASK_CELLS
    cells = nn.functional.avg_pool2d(differs.float(), cell_px)
    return nn.functional.unfold(cells, MASK_CELLS, stride=MASK_CELLS).transpose(1, 2)


def train_vision(train: Pictures, held_out: Pictures, steps: int, seed: int) -> SceneClassifier:
    """Trains the classifier on `steps` batches of `train`, and prints its accuracy on `held_out`."""
    torch.manual_seed(seed)
    model = SceneClassifier()
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PEAK_LEARNING_RATE, total_steps=steps, pct_start=0.05
    )
    started = time.monotonic()
    order = torch.randperm(len(train.labels))
    for step in range(steps):
        first = step * BATCH % (len(order) - BATCH)
        chosen = order[first : first + BATCH]
        with torch.autocast("cpu", torch.bfloat16):
            answers, mask = model(train.pixels[chosen])
        loss = sum_of_losses(answers, train.labels[chosen])
        mask_loss = nn.functional.binary_cross_entropy_with_logits(
            mask.float(), shape_mask(train.pixels[chosen])
        )
        loss = loss + MASK_WEIGHT * mask_loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % 250 == 0:
            minutes_gone = (time.monotonic() - started) / 60
            right = accuracy(model, held_out)
            words = " ".join(f"{w} {r:.3f}" for w, r in zip(CHOICES, right, strict=True))
            print(
                f"vision {step + 1}/{steps}: loss {loss.item():.3f}, mask {mask_loss.item():.3f}, {words}, "
                f"{minutes_gone:.1f} min",
                flush=True,
            )
    return model.eval()


def sum_of_losses(answers: list[Tensor], labels: Tensor) -> Tensor:
    """Gives the sum of the losses over the words of a scene."""
    losses = [nn.functional.cross_entropy(answer.float(), labels[:, n]) for n, answer in enumerate(answers)]
    return torch.stack(losses).sum()


@torch.inference_mode()
def accuracy(model: SceneClassifier, pictures: Pictures) -> list[float]:
    """Gives the share of right answers for each word of a scene."""
    right = torch.zeros(len(CHOICES))
    for first in range(0, len(pictures.labels), 256):
        answers, _ = model(pictures.pixels[first : first + 256])
        guesses = torch.stack([answer.argmax(-1) for answer in answers], dim=1)
        right += (guesses == pictures.labels[first : first + 256]).sum(dim=0)
    return [count / len(pictures.labels) for count in right.tolist()]
