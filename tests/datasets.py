"""Datasets, recipes and finished captions for tests, without an engine."""

from pathlib import Path

from adapter.caption.answer import Answer, Choice
from adapter.caption.sampling import Sampling
from adapter.dataset.inputs.folder import Folder
from adapter.dataset.ledger import Ledger
from adapter.dataset.planning import Job, Task
from adapter.dataset.recipe import Recipe, WeightedPrompt
from adapter.dataset.selection import Dataset
from adapter.dataset.texts.text_file import content_hash
from adapter.dataset.writer import Finished
from adapter.errors import CaptionError

MODEL = "model"
SAMPLING = Sampling(temperature=0.6, top_p=0.9, max_tokens=256)
RECIPE = Recipe(prompts=(WeightedPrompt(text="Say."),), system_prompt="You are.", sampling=SAMPLING)


def dataset_in(folder: Path, ledger: Ledger) -> Dataset:
    """Gives the folder as a dataset with that ledger."""
    return Dataset(Folder(str(folder)), ledger)


def answer_of(text: str, finish_reason: str = "stop") -> Answer:
    """Gives an answer of the engine's, of 5 tokens after 1.5 seconds."""
    return Answer((Choice(0, text, finish_reason),), 10, 5, 1.5, MODEL)


def finished(
    dataset: Dataset,
    name: str,
    result: str | CaptionError = "a cat",
    seen: bytes | None = None,
    recipe: Recipe = RECIPE,
) -> Finished:
    """Gives a caption of a new image of that name, decided on when its text was `seen`."""
    Path(dataset.place(name)).touch()
    seen_hash = None if seen is None else content_hash(seen)
    task = Task(recipe, str(Path(name).with_suffix(".txt")), seen_hash)
    job = Job(dataset.input.item(name), dataset, (task,))
    return Finished(job, task, answer_of(result) if isinstance(result, str) else result)
