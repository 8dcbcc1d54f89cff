"""Plots results: `python bench/plots.py RESULTS.json` writes PNG files beside it, and needs matplotlib."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

OURS, THEIRS = "#2a6f97", "#c9c9c9"
SIZE_INCHES = (7.0, 3.2)


def main() -> None:
    path = Path(sys.argv[1])
    results = json.loads(path.read_text())
    plots = {"prepare": prepare, "ceiling": ceiling, "legacy": legacy, "scale": scale, "sweep": sweep}
    sections = {name: results[name] for name in results if name.partition("_")[0] in plots}
    for swept in ("in_flight", "batched_tokens"):
        if found := {name: results[name] for name in results if name.startswith(f"{swept}_")}:
            sections[f"sweep_{swept}"] = found
    for name, figures in sections.items():
        figure, axes = pyplot.subplots(figsize=SIZE_INCHES, layout="constrained")
        plots[name.partition("_")[0]](axes, figures)
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path.with_name(f"{path.stem}-{name.replace('_', '-')}.png"), dpi=110)
        pyplot.close(figure)


def prepare(axes: Any, figures: dict[str, Any]) -> None:
    """Plots the rate of preparing JPEG files beside the legacy one."""
    sizes = [case.removeprefix("jpeg_") for case in figures["rate"] if case.startswith("jpeg_")]
    sizes.sort(key=lambda size: float(size.removesuffix("mp")))
    ours = [figures["rate"][f"jpeg_{size}"] for size in sizes]
    legacy_rates = [
        rate / figures["speedup_vs_legacy"][f"jpeg_{size}"] for rate, size in zip(ours, sizes, strict=True)
    ]
    places = range(len(sizes))
    axes.bar([place - 0.2 for place in places], legacy_rates, 0.4, color=THEIRS, label="legacy preprocessing")
    axes.bar([place + 0.2 for place in places], ours, 0.4, color=OURS, label="ours")
    axes.set(xticks=list(places), yscale="log", ylabel="images/s on one core", title="Preparing JPEG files")
    axes.set_xticklabels([size.replace("mp", " MP") for size in sizes])
    axes.legend(frameon=False)


def ceiling(axes: Any, figures: dict[str, Any]) -> None:
    """Plots each face's share of the engine's own rate."""
    names = {"dataset": "dataset command", "batch": "/batch_caption", "openai": "openai package, /v1"}
    bars = axes.barh(list(names.values()), [figures[name] for name in names], color=OURS)
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set(xlim=(0, 1.15), title="Share of the engine's own rate")


def legacy(axes: Any, figures: dict[str, Any]) -> None:
    """Plots the rates of transformers and of the service."""
    rates = {"transformers,\none by one": figures["transformers_images_per_s"]}
    rates |= {f"ours, {n}\nin flight": figures[f"images_per_s_{n}"] for n in (1, 8, 64)}
    bars = axes.bar(list(rates), list(rates.values()), color=[THEIRS, OURS, OURS, OURS])
    axes.bar_label(bars, fmt="%.1f")
    axes.set(ylabel="images/s", title="The same checkpoint and prompt")


def scale(axes: Any, figures: dict[str, Any]) -> None:
    """Plots the memory of runs over datasets of different sizes."""
    names = [name for name in ("1k", "10k", "100k", "1m") if f"peak_mb_{name}" in figures]
    bars = axes.bar(names, [figures[f"peak_mb_{name}"] for name in names], color=OURS)
    axes.bar_label(bars, fmt="%.0f")
    axes.set(xlabel="images in the dataset", ylabel="MB", title="Peak memory of a dataset run")


def sweep(axes: Any, figures: dict[str, Any]) -> None:
    """Plots the engine's own rate over the values of one setting."""
    swept = next(iter(figures)).rpartition("_")[0]
    values = sorted(int(name.rpartition("_")[2]) for name in figures)
    rates = [figures[f"{swept}_{value}"]["bare_images_per_s"] for value in values]
    bars = axes.bar([str(value) for value in values], rates, color=OURS)
    axes.bar_label(bars, fmt="%.1f")
    axes.set(xlabel=swept.replace("_", " "), ylabel="images/s", title="The engine's own rate")


if __name__ == "__main__":
    main()
