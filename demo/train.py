"""Trains the demonstration model from nothing: `python -m demo.train`.

It draws scenes, teaches the vision tower, then projector and language model, and writes the checkpoint.
Needs torch, transformers and pillow, and this project's own pydantic for styles.json.
"""

import argparse
import random
from pathlib import Path

import torch

from adapter.cli.files import load_book
from demo.captions import PromptSampler
from demo.export import assemble, save
from demo.language import ExampleMaker, compute_features, tokenizer_texts, train_language
from demo.model import llava_config
from demo.scenes import all_scenes
from demo.tokenizer import BEGIN, END_OF_TURN, IMAGE, PADDING, make_processor, train_tokenizer
from demo.vision import draw_pictures, train_vision

HERE = Path(__file__).parent
STYLES = HERE.parent / "styles.json"


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    book = load_book(STYLES)

    train = draw_pictures(arguments.pictures, seed=arguments.seed + 1, processes=arguments.threads)
    held_out = draw_pictures(1500, seed=arguments.seed + 2, processes=arguments.threads)
    vision = train_vision(train, held_out, arguments.vision_steps, arguments.seed)

    prompts = PromptSampler(book, random.Random(arguments.seed))
    tokenizer = train_tokenizer(tokenizer_texts(prompts, book.system_prompt, all_scenes()))
    processor = make_processor(tokenizer)
    ids = {
        name: tokenizer.convert_tokens_to_ids(token)
        for name, token in {
            "bos": BEGIN, "eos": END_OF_TURN, "pad": PADDING, "image": IMAGE,
        }.items()
    }  # fmt: skip
    config = llava_config(len(tokenizer), ids)
    writer = train_language(
        config,
        ExampleMaker(processor, book.system_prompt, prompts, ids),
        compute_features(vision, train),
        train.scenes,
        steps=arguments.language_steps,
        seed=arguments.seed,
    )
    save(assemble(config, vision, writer), processor, arguments.output)
    print(f"saved to {arguments.output}; now: python -m demo.evaluate {arguments.output}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=HERE / "model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--pictures", type=int, default=50_000, help="scenes to train on")
    parser.add_argument("--vision-steps", type=int, default=9_000)
    parser.add_argument("--language-steps", type=int, default=1_600)
    return parser.parse_args()


if __name__ == "__main__":
    main()
