"""The options of `joycaption caption`, in groups."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from adapter.dataset.dataset_layout import Format
from adapter.dataset.decide import Existing
from adapter.dataset.history import DEFAULT_MAX_BYTES


class OptionGroup(BaseModel):
    """Options that belong together. Every text must be UTF-8."""

    model_config = ConfigDict(frozen=True)

    @field_validator("*", mode="after")
    @classmethod
    def _is_utf8(cls, value: object) -> object:
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                try:
                    text.encode()
                except UnicodeEncodeError as error:
                    raise PydanticCustomError("not_utf8", "must be valid UTF-8") from error
        return value


class ImageOptions(BaseModel):
    """Which images."""

    model_config = ConfigDict(frozen=True)

    from_file: str = Field(
        "", description="A list of image files, one path per line; - reads it from standard input."
    )
    recursive: bool = Field(True, description="Take the folders below a folder too.")
    follow_links: Annotated[bool, Parameter(negative=())] = Field(
        False, description="Follow links to folders, and read texts that are links: they may lead anywhere."
    )
    shard: str = Field("", description="Take only the i-th of K shares of the images, or shards, as i/K.")
    limit: int | None = Field(None, ge=1, description="Caption at most this many images.")
    image_column: str = Field("", description="Where a Parquet file has its images.")
    key_column: str = Field("", description="Where a Parquet file has their keys; by default rows count.")
    retry_failed: Annotated[bool, Parameter(negative=())] = Field(
        False, description="Take only the images that failed before."
    )


class PromptOptions(OptionGroup):
    """What is asked."""

    style: str = Field("", description="A style of styles.json, or a caption type.")
    styles: str = Field(
        "", description="Several styles, separated by commas: image.STYLE.txt for each of them."
    )
    caption_type: str = Field("", description="A caption type of JoyCaption.")
    length: str = Field(
        "",
        description="any, very short, short, medium-length, long, very long, or a number of words.",
    )
    option: Annotated[list[str], Parameter(negative=())] = Field(
        [], description="A sentence to append to the prompt; may be given several times."
    )
    name: str = Field("", description="What {name} stands for in options.")
    prompt: str = Field("", description="A prompt of your own.")
    prompts: Path | None = Field(
        None,
        description="A JSON or YAML list of prompts: texts, or texts with weights. Each image gets one.",
    )


class SamplingOptions(BaseModel):
    """Sampling."""

    model_config = ConfigDict(frozen=True)

    temperature: float | None = Field(
        None, ge=0.0, le=2.0, description="How much chance there is; 0 always takes the likeliest token."
    )
    top_p: float | None = Field(None, gt=0.0, le=1.0, description="Share of likely tokens to choose from.")
    top_k: int | None = Field(None, ge=0, description="Number of likely tokens to choose from; 0 for all.")
    max_tokens: int | None = Field(
        None,
        ge=1,
        le=2048,
        description="Longest caption, in tokens: a longer one ends with its last whole sentence. By default "
        "512, and more for a caption that would be cut.",
    )
    seed: int | None = Field(None, description="Makes the same texts on every run.")


class TextOptions(OptionGroup):
    """What is written."""

    prefix: str = Field("", description="Written before each caption.")
    suffix: str = Field("", description="Written behind each caption.")
    trigger: str = Field("", description="A word that is put first, unless the text begins with it.")
    extension: str = Field(".txt", description="What the names of the text files end in, by default .txt.")
    full_name: Annotated[bool, Parameter(negative=())] = Field(
        False, description="Write a.png.txt rather than a.txt."
    )
    existing: Existing = Field(
        Existing.SKIP, description="What becomes of texts that are there already; by default skip."
    )
    overwrite_edited: Annotated[bool, Parameter(negative=())] = Field(
        False, description="Replace even texts that were edited by hand."
    )
    output: str = Field(
        "",
        description="Collect all texts in one file: metadata.jsonl, or *.parquet. For shards the folder or "
        "URI that gets one Parquet file for each.",
    )
    write_shards: str = Field(
        "",
        description="For shards: a folder or URI that gets a tar for each, with its captioned images as they "
        "are and KEY.txt beside each.",
    )
    sidecar: bool = Field(True, description="Write a text file beside each image.")
    format: Format | None = Field(
        None, description="Whose reader the file of --output is for; by default Hugging Face's imagefolder."
    )
    text_column: str = Field(
        "", description="The column of texts in metadata.jsonl, .csv and .parquet; by default text."
    )


class RunOptions(BaseModel):
    """How the run goes."""

    model_config = ConfigDict(frozen=True)

    ledger: Path | None = Field(
        None, description="Where to record what was done; by default in .joycaption in the dataset."
    )
    history_bytes: int = Field(
        DEFAULT_MAX_BYTES,
        ge=0,
        description="How much of what runs replace is kept for joycaption undo, in bytes; by default 1 GiB.",
    )
    concurrency: int | None = Field(
        None, ge=1, description="Images under way at one time; by default as the engine needs."
    )
    engine_patience: float = Field(
        600.0, ge=0.0, description="How long to wait for an engine that is away, in seconds; by default 600."
    )
    save_every: float = Field(
        60.0, gt=0.0, description="How often captions of shards are made safe, in seconds; by default 60."
    )
    ray: str = Field(
        "",
        description="Divide the shards, or the folder, among the machines of a Ray cluster: HOST:PORT, auto "
        "for that of this machine, or local for one of its own on this machine.",
    )
    ray_actors: int | None = Field(
        None,
        ge=1,
        description="Workers on the cluster; by default one for each GPU, and where there is none, or "
        "--engine-url is given, one for each machine.",
    )
    report: Path | None = Field(None, description="A CSV file for all failures.")
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = Field(
        False, description="Print the result as JSON."
    )
    dry_run: Annotated[bool, Parameter(negative=())] = Field(
        False, description="Only show what would be done."
    )
