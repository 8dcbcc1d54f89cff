"""Second stage of the training: projector and language model, taught to write what the tower sees.

The tower is finished and frozen, so its features are computed once. Each prompt is put into exactly the chat
form that the processor gives, image tokens and all.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM, LlavaConfig, LlavaProcessor
from transformers.models.llava.modeling_llava import LlavaMultiModalProjector

from demo.captions import FORMS, PromptSampler, caption
from demo.model import IMAGE_TOKENS
from demo.scenes import CHOICES, Scene
from demo.vision import Pictures, SceneClassifier

BATCH = 48
BATCHES_SORTED_TOGETHER = 12
PEAK_LEARNING_RATE = 1.5e-3
WORD_WEIGHT = 6.0  # of a token that depends on the picture; all others are soon learnt
IGNORED = -100


@dataclass(frozen=True)
class Example:
    """Token ids of a whole conversation; the answer begins at `answer_start`."""

    picture: int
    ids: list[int]
    answer_start: int


@dataclass(frozen=True)
class Batch:
    """`pictures` (batch,), `ids` and `weights` (batch, length); a weight of 0 is not learnt from."""

    pictures: Tensor
    ids: Tensor
    weights: Tensor


class ExampleMaker:
    """Makes conversations about scenes, as token ids."""

    def __init__(
        self,
        processor: LlavaProcessor,
        system_prompt: str,
        prompts: PromptSampler,
        ids: dict[str, int],
    ) -> None:
        self._processor = processor
        self._tokenizer = processor.tokenizer
        self._system_prompt = system_prompt
        self._prompts = prompts
        self._ids = ids
        words = {word for choices in CHOICES.values() for word in choices}
        pieces = (self._tokenizer.encode(space + w) for w in words for space in ("", " "))
        telling = torch.zeros(len(self._tokenizer))
        telling[[piece for word in pieces for piece in word]] = 1.0
        self._weights = 1.0 + (WORD_WEIGHT - 1.0) * telling

    def example(self, picture: int, scene: Scene) -> Example:
        """Gives a conversation about the picture of that number, which shows `scene`."""
        prompt, form = self._prompts.any()
        text = self._processor.apply_chat_template(
            [
                {"role": "system", "content": self._system_prompt},
                {"role": "user", "content": prompt},
            ],
            tokenize=False,
            add_generation_prompt=True,
        )
        text = text.replace(self._processor.image_token, self._processor.image_token * IMAGE_TOKENS)
        asked = self._tokenizer.encode(text)
        answer = [*self._tokenizer.encode(caption(scene, form)), self._ids["eos"]]
        return Example(picture, asked + answer, len(asked))

    def batches(self, scenes: list[Scene], count: int, rng: random.Random) -> Iterator[Batch]:
        """Yields `count` batches; the conversations of one batch have about the same length."""
        given = 0
        while given < count:
            chosen = rng.choices(range(len(scenes)), k=BATCH * BATCHES_SORTED_TOGETHER)
            examples = sorted((self.example(n, scenes[n]) for n in chosen), key=lambda e: len(e.ids))
            groups = [examples[n : n + BATCH] for n in range(0, len(examples), BATCH)]
            rng.shuffle(groups)
            for group in groups[: count - given]:
                yield self.batch(group)
                given += 1

    def batch(self, examples: list[Example]) -> Batch:
        """Gives the examples as one batch, padded on the right."""
        length = max(len(example.ids) for example in examples)
        ids = torch.full((len(examples), length), self._ids["pad"])
        weights = torch.zeros(len(examples), length)
        for row, example in enumerate(examples):
            ids[row, : len(example.ids)] = torch.tensor(example.ids)
            answer = slice(example.answer_start, len(example.ids))
            weights[row, answer] = self._weights[ids[row, answer]]
        return Batch(torch.tensor([e.picture for e in examples]), ids, weights)


class Writer(nn.Module):
    """The projector and the language model of the LLaVA to be."""

    def __init__(self, config: LlavaConfig, features: Tensor) -> None:
        """Takes a sample of the tower's `features`, (n, tokens, width), to begin at their scale."""
        super().__init__()
        self.image_id = config.image_token_id
        self.projector = LlavaMultiModalProjector(config)
        self.language = LlamaForCausalLM(config.text_config)
        flat = features.float().flatten(0, 1)
        mean, spread = flat.mean(0), flat.std(0) + 1e-3
        first = self.projector.linear_1
        nn.init.normal_(first.weight, std=len(mean) ** -0.5)
        nn.init.normal_(self.projector.linear_2.weight, std=first.out_features**-0.5)
        with torch.no_grad():
            first.weight.div_(spread)
            first.bias.copy_(-first.weight @ mean)

    def forward(self, features: Tensor, ids: Tensor) -> Tensor:
        """Gives the next-token logits, (batch, length, vocabulary)."""
        embedded = self.language.get_input_embeddings()(ids)
        seen = self.projector(features).to(embedded.dtype)
        at_image = (ids == self.image_id).unsqueeze(-1).expand_as(embedded)
        embedded = embedded.masked_scatter(at_image, seen)
        # Padding stands on the right, where a causal model can't see it: no mask is needed.
        logits: Tensor = self.language(inputs_embeds=embedded, use_cache=False).logits
        return logits


@torch.inference_mode()
def compute_features(tower: SceneClassifier, pictures: Pictures) -> Tensor:
    """Gives the tower's features of all pictures in bfloat16, (n, tokens, width)."""
    parts = [tower.features(part).bfloat16() for part in pictures.pixels.split(256)]
    return torch.cat(parts)


def train_language(
    config: LlavaConfig,
    maker: ExampleMaker,
    features: Tensor,
    scenes: list[Scene],
    *,
    steps: int,
    seed: int,
) -> Writer:
    """Gives the writer after `steps` batches."""
    torch.manual_seed(seed)
    model = Writer(config, features[:500])
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=0.01, betas=(0.9, 0.98)
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PEAK_LEARNING_RATE, total_steps=steps, pct_start=0.05
    )
    started = time.monotonic()
    for step, batch in enumerate(maker.batches(scenes, steps, random.Random(seed)), 1):
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(features[batch.pictures].float(), batch.ids)
        targets = torch.where(batch.weights > 0, batch.ids, IGNORED)[:, 1:]
        losses = nn.functional.cross_entropy(
            logits[:, :-1].float().flatten(0, 1),
            targets.flatten(),
            ignore_index=IGNORED,
            reduction="none",
        ).view_as(targets)
        weights = batch.weights[:, 1:]
        loss = (losses * weights).sum() / weights.sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            guesses = logits[:, :-1].argmax(-1)
            right = ((guesses == targets) | (targets == IGNORED)).all(dim=1).float().mean()
            print(
                f"language {step}/{steps}: loss {loss.item():.4f}, whole answers right "
                f"{right.item():.2f}, {(time.monotonic() - started) / 60:.1f} min",
                flush=True,
            )
    return model.eval()


def tokenizer_texts(prompts: PromptSampler, system_prompt: str, scenes: list[Scene]) -> list[str]:
    """Gives the texts that the tokenizer's vocabulary is made for: prompts in a chat, and captions."""
    frame = f"system\n\n{system_prompt}user\n\nassistant\n\n"
    asked = [f"{frame}{prompts.any()[0]}" for _ in range(4000)]
    return asked + [caption(scene, form) for scene in scenes for form in FORMS]
