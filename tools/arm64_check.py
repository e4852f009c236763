"""Check that a model answers bit for bit the same on a Raspberry Pi's processor as on this one.

    apt-get install mmdebstrap qemu-user-static debian-archive-keyring && pip install uv
    python tools/arm64_check.py [--model M.tflite] [--images 20] [--work DIR] [--self-test]

LiteRT's aarch64 wheel runs under QEMU in a small arm64 Debian 12, built once into --work (7 s,
270 MB). Compared are the bytes of every raw output, which must be identical, then the answers of
`skinedge predict --json`, where decoding and resizing may move a pixel by one level. Exit code 0:
they agree; 1: they do not; 2: cannot be checked here. `--self-test` flips one byte of one host
output, and exits with 0 only if exactly that value is reported.

LiteRT >= 2.2 crashes under Debian 12's QEMU 7.2, so a QEMU older than 10 runs 2.1.6, and a newer
one (`--qemu PATH`) the host's version. QEMU 7.2 also computes nonsense with `--cpu max` (its SME).

Verified on an AVX-512 VNNI host with LiteRT 2.1.6, and 2.3 on QEMU 10: an all-uint8 EfficientNet-
Lite0 with attention is identical on cortex-a72 (no dot product), cortex-a76 and more; with a
float32 softmax at its end, half of the probabilities differ, by 1 to 4 ulp.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
EMBEDDED = REPOSITORY / "src" / "skinedge" / "models" / "edge.tflite"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skinedge" / "arm64"
DEBIAN = "--quiet --variant=extract --architectures=arm64 --include=base-files,python3,libstdc++6"
CPUS = ("cortex-a72", "cortex-a76")  # Pi 4, Pi 5
INSTALL = "apt-get install mmdebstrap qemu-user-static debian-archive-keyring; pip install uv"
OLD_QEMU_LITERT = "2.1.6"
TOLERANCE = 3 / 256


def call(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> str:
    if not shutil.which(command[0]):
        raise ChildProcessError(f"{command[0]} not found: {INSTALL}")
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        reason = "".join(done.stderr.strip().splitlines()[-1:])
        raise ChildProcessError(f"{command[0]} failed ({done.returncode}): {reason}")
    return done.stdout


def built(folder: Path, tool: str, *arguments: str) -> Path:
    """`folder`, filled if it is not there yet by a command that takes it as last argument."""
    partial = folder.with_suffix(".partial")
    if not folder.exists():
        print(f"{tool}: filling {folder.name}, once ...", file=sys.stderr)
        shutil.rmtree(partial, ignore_errors=True)
        call([tool, *arguments, str(partial)], folder.parent)
        partial.rename(folder)
    return folder


def debian_and_wheels(work: Path, litert: str) -> tuple[Path, Path]:
    """The arm64 root, and a folder with aarch64 packages: the repository's pins, this LiteRT."""
    root = built(work / "bookworm", "mmdebstrap", *DEBIAN.split(), "bookworm")
    file = REPOSITORY / "constraints.txt"
    pins = re.sub(r"(?m)^ai-edge-litert.*", "", file.read_text() if file.exists() else "")
    (work / "constraints.txt").write_text(pins)
    options = "pip install --quiet --only-binary :all: --python-version 3.11 --python-platform "
    options += "aarch64-manylinux_2_36 --constraint constraints.txt opencv-python-headless "
    options += f"typer<0.29 numpy ai-edge-litert=={litert} --target"
    key = hashlib.sha256((options + pins).encode()).hexdigest()[:12]
    return root, built(work / f"site-{key}", "uv", *options.split())


def draw_inputs(count: int, height: int, width: int) -> np.ndarray:
    """Noise, coarse patches, gradients and flat colours in turn; uint8 `[count, H, W, 3]`."""
    rng = np.random.default_rng(0)
    y, x, _ = np.ogrid[:height, :width, :3]
    images = np.empty((count, height, width, 3), np.uint8)
    for number, image in enumerate(images):
        low, high = np.sort(rng.integers(0, 256, (2, 3)), axis=0)
        noise = rng.integers(0, 256, image.shape)
        slope = low + (high - low) * (x * height + y * width) // (2 * height * width)
        image[:] = (noise, noise[y[..., 0] // 16, x[..., 0] // 16], slope, low)[number % 4]
    return images


def raw_tensors(model: Path, count: int) -> dict[str, np.ndarray]:
    """The inputs and every output, untouched; both sides run these lines."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model.read_bytes(), num_threads=1)
    interpreter.allocate_tensors()
    given, outputs = interpreter.get_input_details()[0], interpreter.get_output_details()
    inputs = draw_inputs(count, *(int(n) for n in given["shape"][1:3]))
    results: list[list[np.ndarray]] = [[] for _ in outputs]
    for image in inputs:
        pixels = image if given["dtype"] is np.uint8 else (image.astype(np.float32) - 127) / 128
        interpreter.set_tensor(given["index"], pixels[None])
        interpreter.invoke()
        for result, output in zip(results, outputs, strict=True):
            result.append(interpreter.get_tensor(output["index"]).copy())
    return {"inputs": inputs, **{f"output {n}": np.stack(r) for n, r in enumerate(results)}}


def compare(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], where: str) -> int:
    """Print a row per tensor; return how many values are not the same bits."""
    total = 0
    for name, a in ours.items():
        b = theirs[name].astype(a.dtype, casting="no").reshape(a.shape)
        count = int((a.view(f"u{a.itemsize}") != b.view(f"u{b.itemsize}")).sum())
        largest = np.abs(a.astype(np.float64) - b.astype(np.float64)).max()
        verdict = f"{count} differ, by up to {largest:.3g}" if count else "identical"
        print(f"{where:12} {name:9} {a.dtype!s:8} {a.size:8} values: {verdict}")
        total += count
    return total


def answers(
    python: list[str], env: dict[str, str], folder: Path, model: Path
) -> list[dict[str, float]]:
    """What `skinedge predict --json` says of the pictures: code -> probability."""
    arguments = ["predict", "--json", "--model", str(model), "pictures"]
    program = "from skinedge.edge_cli.main import run; run()"
    lines = call([*python, "-c", program, *arguments], folder, env).splitlines()
    labels = (json.loads(line)["labels"] for line in lines)
    return [{label["code"]: label["probability"] for label in row} for row in labels]


def compare_answers(
    ours: list[dict[str, float]], theirs: list[dict[str, float]], where: str
) -> int:
    """Print a row; return how many pictures got another answer.

    OpenCV averages areas in floating point, so a pixel may come out one level off on the other
    processor: the label must be the same, and no probability further off than TOLERANCE.
    """
    pairs = list(zip(ours, theirs, strict=True))
    largest = max(abs(a[code] - b[code]) for a, b in pairs for code in a)
    other = sum(max(a, key=a.__getitem__) != max(b, key=b.__getitem__) for a, b in pairs)
    print(f"{where:12} predict --json, {len(pairs)} pictures: probabilities within {largest:.4f}")
    return other or int(largest > TOLERANCE)


def lay_out(folder: Path) -> None:
    """What `skinedge predict` needs: drawn pictures and the package itself."""
    import cv2
    from draw_lesion import draw

    (folder / "pictures").mkdir()
    for seed, suffix in enumerate(("jpg", "png", "jpg")):
        cv2.imwrite(str(folder / "pictures" / f"{seed}.{suffix}"), draw(seed)[..., ::-1])
    shutil.copytree(REPOSITORY / "src" / "skinedge", folder / "skinedge")
    shutil.copytree(REPOSITORY / "edge_cli", folder / "skinedge" / "edge_cli")


def check(options: argparse.Namespace, work: Path, folder: Path) -> int:
    qemu = str(options.qemu or shutil.which("qemu-aarch64-static") or "qemu-aarch64")
    banner = call([qemu, "--version"], work).splitlines()[0]
    model, installed = options.model, version("ai-edge-litert")
    litert = OLD_QEMU_LITERT if re.search(r"version [1-9]\.", banner) else installed
    root, site = debian_and_wheels(work, litert)
    print(f"{model.name}: LiteRT {installed} here, {litert} on aarch64 under {banner}")
    ours = raw_tensors(model, options.images)
    ours["output 0"].reshape(-1).view(np.uint8)[0] ^= options.self_test
    lay_out(folder)
    guest = {"PYTHONPATH": f"{folder}:{site}", "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/"}
    expected = answers([sys.executable], {**os.environ, "PYTHONPATH": str(folder)}, folder, model)
    different = 0
    for cpu in options.cpu:
        python = [qemu, "-cpu", cpu, "-L", str(root), str(root / "usr/bin/python3.11"), "-s"]
        arguments = ["--model", str(model), "--images", str(options.images), "--guest", str(folder)]
        call([*python, str(Path(__file__).resolve()), *arguments], folder, guest)
        with np.load(folder / "guest.npz") as theirs:
            different += compare(ours, dict(theirs), cpu)
        different += compare_answers(expected, answers(python, guest, folder, model), cpu)
    if options.self_test:
        print(f"self-test: {different} differ in all; should be 1 for each processor")
        return int(different != len(options.cpu))
    return int(different > 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, default=EMBEDDED)
    parser.add_argument("--images", type=int, default=20, help="how many inputs to compare")
    parser.add_argument("--work", type=Path, default=CACHE, help="where the arm64 root is kept")
    parser.add_argument("--cpu", nargs="+", default=CPUS, help="QEMU's names of the processors")
    parser.add_argument("--qemu", type=lambda p: Path(p).resolve(), help="another emulator")
    parser.add_argument("--self-test", action="store_true", help="must find one flipped byte")
    parser.add_argument("--guest", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.guest:
        tensors: dict[str, Any] = raw_tensors(options.model, options.images)
        np.savez(options.guest / "guest.npz", **tensors)
        return 0
    try:
        options.model, work = options.model.resolve(strict=True), options.work.resolve()
        work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=work) as folder:
            return check(options, work, Path(folder))
    except (OSError, ImportError) as error:
        print(f"arm64_check: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
