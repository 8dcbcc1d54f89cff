"""What is planned for the items of a dataset, by what is there."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from adapter.dataset.claims import Claims
from adapter.dataset.decide import Existing
from adapter.dataset.events import TextEdited, TextFailed, TextSkipped
from adapter.dataset.planning import Job, Planned, Planner
from adapter.dataset.records import FOUND, WRITTEN, Entry, Failure
from adapter.dataset.selection import Dataset
from adapter.dataset.texts.in_ledger import TextsInLedger
from adapter.dataset.texts.sidecars import Sidecars
from adapter.dataset.texts.text_file import content_hash
from adapter.dataset.texts.text_store import Texts
from adapter.dataset.work import Settled
from tests.datasets import MODEL, RECIPE

# As ledgers have it that were written before a `top_k` of 0 meant that nothing is cut.
OLDER_DETAILS = (
    '{"exact_pixels": false, "model": "model", "prefix": "", "prompt": "Say.", "sampling": '
    '{"frequency_penalty": 0.0, "max_tokens": 256, "min_p": 0.0, "n": 1, "presence_penalty": 0.0, '
    '"repetition_penalty": 1.0, "seed": null, "stop": [], "temperature": 0.6, "top_k": null, '
    '"top_logprobs": null, "top_p": 0.9}, "seed": null, "suffix": "", "system_prompt": "You are.", '
    '"trigger": ""}'
)
OURS, EDITED, OLDER = b"ours", b"edited", b"older"


def written(dataset: Dataset, **changes: object) -> Entry:
    """Gives the record of a text that a run wrote for `a.png` as it is."""
    fingerprint = dataset.input.item("a.png").fingerprint()
    assert fingerprint is not None
    entry = Entry("a.txt", "a.png", "", WRITTEN, fingerprint.size, fingerprint.mtime_ns)
    entry = replace(entry, details=RECIPE.details("a.png", MODEL), hash=content_hash(OURS))
    return replace(entry, **changes)  # type: ignore[arg-type]


def plan(dataset: Dataset, names: Iterable[str], texts: Texts, model: str | None = MODEL) -> list[Planned]:
    """Gives what is planned for those images."""
    planner = Planner([RECIPE], texts, Claims(), model)
    return list(planner.plan(dataset, map(dataset.input.item, names)))


def why(planned: Planned) -> object:
    """Gives what is told where nothing is made: the failure, or the kind of event."""
    assert isinstance(planned, Settled)
    return planned.event.failure if isinstance(planned.event, TextFailed) else type(planned.event)


@pytest.mark.parametrize(
    ("existing", "content", "changes", "expected"),
    [
        (Existing.SKIP, None, None, "job"),
        (Existing.SKIP, OURS, None, TextSkipped),
        (Existing.SKIP, EDITED, {}, TextSkipped),
        (Existing.SKIP, None, {}, "job"),
        (Existing.OVERWRITE, OURS, None, "job"),
        (Existing.OVERWRITE, OURS, {"state": FOUND}, "job"),
        (Existing.OVERWRITE, OURS, {}, TextSkipped),
        (Existing.OVERWRITE, OURS, {"details": OLDER_DETAILS}, TextSkipped),
        (Existing.OVERWRITE, OURS, {"details": "{}"}, "job"),
        (Existing.OVERWRITE, OURS, {"mtime_ns": 1}, "job"),
        (Existing.OVERWRITE, EDITED, {}, TextEdited),
        (Existing.OVERWRITE, OLDER, {"previous_hash": content_hash(OLDER)}, "job"),
        (Existing.APPEND, EDITED, None, "job"),
        (Existing.APPEND, EDITED, {}, TextSkipped),
        (Existing.PREPEND, OURS, {"details": "{}"}, "job"),
    ],
)
def test_plan_gathers_what_the_decision_needs(
    tmp_path: Path,
    dataset: Dataset,
    existing: Existing,
    content: bytes | None,
    changes: dict[str, object] | None,
    expected: object,
) -> None:
    """The text on the disk and the ledger's record reach the decision as they are."""
    (tmp_path / "a.png").touch()
    if content is not None:
        (tmp_path / "a.txt").write_bytes(content)
    if changes is not None:
        dataset.ledger.record([written(dataset, **changes)])
    (planned,) = plan(dataset, ["a.png"], Sidecars(existing))
    if isinstance(planned, Job):
        assert expected == "job"
        (task,) = planned.tasks
        assert task.output == "a.txt"
        assert dataset.place(task.output) == str(tmp_path / "a.txt")
        assert task.seen_hash == (content_hash(content) if content else None)
    else:
        assert why(planned) == expected


def test_plan_without_a_model_counts_texts_of_any_model_as_the_same(tmp_path: Path, dataset: Dataset) -> None:
    """Before an engine was asked, nobody can tell what it serves."""
    (tmp_path / "a.png").touch()
    (tmp_path / "a.txt").write_bytes(OURS)
    dataset.ledger.record([written(dataset)])
    (unknown,) = plan(dataset, ["a.png"], Sidecars(Existing.OVERWRITE), model=None)
    assert why(unknown) == TextSkipped
    (other,) = plan(dataset, ["a.png"], Sidecars(Existing.OVERWRITE), model="other")
    assert isinstance(other, Job)


def test_plan_gives_a_sidecar_to_the_first_image_while_that_is_there(
    tmp_path: Path, dataset: Dataset
) -> None:
    """The second image of a name fails within a run and on later ones, until the first is gone."""
    for name in ("a.png", "a.jpg"):
        (tmp_path / name).touch()
    first, second = plan(dataset, ["a.png", "a.jpg"], Sidecars())
    assert isinstance(first, Job)
    failure = why(second)
    assert isinstance(failure, Failure)
    assert failure.code == "sidecar_taken"
    assert failure.message == "a.txt is the text of a.png already: use --full-name"
    dataset.ledger.record([written(dataset)])
    (tmp_path / "a.txt").write_bytes(OURS)
    (again,) = plan(dataset, ["a.jpg"], Sidecars())
    assert isinstance(why(again), Failure)
    (tmp_path / "a.png").unlink()
    (heir,) = plan(dataset, ["a.jpg"], Sidecars())
    assert why(heir) == TextSkipped


def test_plan_of_an_image_that_is_found_twice_makes_it_once(tmp_path: Path, dataset: Dataset) -> None:
    """A folder and one in it may both be named."""
    (tmp_path / "a.png").touch()
    first, second = plan(dataset, ["a.png", "a.png"], Sidecars())
    assert isinstance(first, Job)
    assert why(second) == TextSkipped


@pytest.mark.parametrize(
    ("existing", "text", "details", "skipped"),
    [
        (Existing.SKIP, None, None, False),
        (Existing.SKIP, "text", "{}", True),
        (Existing.OVERWRITE, "text", None, True),
        (Existing.OVERWRITE, "text", "{}", False),
    ],
)
def test_plan_without_sidecars_goes_by_the_ledger(
    tmp_path: Path, dataset: Dataset, existing: Existing, text: str | None, details: str | None, skipped: bool
) -> None:
    """The ledger holds the texts then."""
    (tmp_path / "a.png").touch()
    if text is not None:
        changes = {"output": "a.png", "text": text} | ({"details": details} if details else {})
        dataset.ledger.record([written(dataset, **changes)])
    (planned,) = plan(dataset, ["a.png"], TextsInLedger(existing))
    assert isinstance(planned, Job) is not skipped


def test_plan_of_several_texts_makes_only_those_that_are_missing(tmp_path: Path, dataset: Dataset) -> None:
    """The others are skipped."""
    (tmp_path / "a.png").touch()
    (tmp_path / "a.x.txt").write_bytes(OURS)
    recipes = [replace(RECIPE, style=style) for style in ("x", "y")]
    planner = Planner(recipes, Sidecars(), Claims())
    skipped, job = planner.plan(dataset, [dataset.input.item("a.png")])
    assert why(skipped) == TextSkipped
    assert isinstance(job, Job)
    assert [task.recipe.style for task in job.tasks] == ["y"]
    assert job.name == "a.png"


def test_plan_of_a_text_that_can_not_be_looked_at_fails_alone(tmp_path: Path, dataset: Dataset) -> None:
    """A name that is too long with its extension is that image's failure."""
    names = ["a.png", "x" * 252 + ".b"]
    (tmp_path / names[0]).touch()
    job, failed = plan(dataset, names, Sidecars(full_name=True))
    assert isinstance(job, Job)
    failure = why(failed)
    assert isinstance(failure, Failure)
    assert failure.code == "write"


def test_plan_gives_a_text_that_was_found_to_the_first_image_of_its_name(
    tmp_path: Path, dataset: Dataset
) -> None:
    """The second one fails even where both are looked up in the ledger together."""
    names = ["first.png", "a.png", "a.jpg", "a.png"]
    for name in (*names, "a.txt"):
        (tmp_path / name).write_text("text")
    _, first, second, again = plan(dataset, names, Sidecars())
    assert why(first) == TextSkipped
    failure = why(second)
    assert isinstance(failure, Failure)
    assert failure.code == "sidecar_taken"
    assert why(again) == TextSkipped
    assert dataset.ledger.lookup(["a.txt"]) == {"a.txt": Entry("a.txt", "a.png", "", FOUND)}


def test_plan_claims_what_is_to_be_made(tmp_path: Path, dataset: Dataset) -> None:
    """Once the claim is released, the text is decided about anew."""
    (tmp_path / "a.png").touch()
    claims = Claims()
    for _ in range(2):
        (job,) = Planner([RECIPE], Sidecars(), claims).plan(dataset, [dataset.input.item("a.png")])
        assert isinstance(job, Job)
        assert claims.image_of(str(tmp_path / "a.txt")) == str(tmp_path / "a.png")
        claims.release(str(tmp_path / "a.txt"))
