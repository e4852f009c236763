"""`skinedge info MODEL`"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from .options import Json, Labels

__all__ = ["info"]

FIGURES = {
    "balanced_accuracy": "balanced accuracy",
    "macro_auroc": "macro AUROC",
    "melanoma_auroc": "melanoma AUROC",
    "accuracy": "accuracy",
    "expected_calibration_error": "calibration error",
}


def _metric_lines(card: dict[str, Any]) -> list[str]:
    own, full = card.get("metrics"), card.get("float32_metrics")
    if not own:
        return []
    head = (
        f"Figures ({own['split']} split of {card['training']['dataset']}, {own['images']} images)"
    )
    lines = [f"{head}:", f"  {'':18} {'this file':>9}" + (f" {'float32':>9}" if full else "")]
    for key, name in FIGURES.items():
        values = [own[key]] + ([full[key]] if full else [])
        if None not in values:  # a model without melanoma among its classes has no such figure
            lines.append(f"  {name:18} " + " ".join(f"{value:9.4f}" for value in values))
    return lines


def _text(card: dict[str, Any]) -> str:
    size, attention, training = card["input"], card["attention"], card["training"]
    labels = ", ".join(f"{c['code']}{'*' if c['malignant'] else ''}" for c in card["labels"])
    quantization = card["quantization"]
    lines = [
        f"{card['name']}, {card['version']}",
        f"{card['description']}",
        f"Licence:    {card['licence']}",
        f"Labels:     {labels} (* malignant)",
        f"Input:      RGB {size['height']} x {size['width']}, raw pixels",
        f"Attention:  {attention['block']}, {attention['height']} x {attention['width']}"
        if attention
        else "Attention:  none",
        f"Precision:  {quantization['weights']} weights, {quantization['activations']} activations"
        if quantization
        else "Precision:  float32",
        f"Trained on: {training['dataset']}, seed {training['seed']}, "
        f"{training['lesions']['train']} lesions ({training['images']['train']} images)",
        f"Recipe:     {card['recipe']['name']} {card['recipe_sha256'][:12]}",
        *_metric_lines(card),
        "Thresholds (set on the validation split with this very file):",
    ]
    for rule in card["thresholds"]:
        lines.append(
            f"  {rule['target']:10} >= {rule['threshold']:.4f}: sensitivity "
            f"{rule['sensitivity']:.3f}, specificity {rule['specificity']:.3f}"
        )
    return "\n".join(lines)


def info(
    model: Annotated[
        Path | None, typer.Argument(help="A .tflite model; the embedded one if not given.")
    ] = None,
    labels: Labels = None,
    json_lines: Json = False,
) -> None:
    """Show what a model file says of itself: labels, input, licence, metrics, thresholds.

    Examples:

      skinedge info

      skinedge info runs/edge/compressed/edge-int8.tflite --json
    """
    from skinedge.model_file import read_model

    file = read_model(model, labels)
    card = file.card
    if json_lines:
        print(json.dumps(card if card is not None else {"labels": [vars(c) for c in file.labels]}))
    elif card is None:
        print(f"{file.path}: no skinedge.json; labels: {', '.join(c.code for c in file.labels)}")
    else:
        print(f"{file.path.name}, {len(file.content) / 1e6:.2f} MB")
        print(_text(card))
