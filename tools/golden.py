"""Write tests/edge/golden.json: what the embedded model answers, bit for bit.

    python tools/golden.py

Run it when the embedded model changes, and only then.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from draw_lesion import disc

from skinedge.model_file import EMBEDDED
from skinedge.runtime import Network

OUT = Path(__file__).parent.parent / "tests" / "edge" / "golden.json"
# name, skin, spot, radius in 192nds of the side
CASES = (
    ("brown", (222, 172, 150), (112, 66, 48), 50),
    ("black", (200, 150, 130), (30, 24, 26), 60),
    ("red", (228, 186, 170), (196, 40, 52), 40),
    ("large", (230, 190, 160), (120, 80, 60), 90),
    ("pale", (240, 210, 200), (214, 150, 140), 55),
)


def main() -> None:
    network = Network(EMBEDDED.read_bytes(), str(EMBEDDED), threads=1)
    scales = [scale for scale, _ in network.quantization]
    cases = []
    for name, skin, spot, radius in CASES:
        outputs = network.run(disc(network.width, skin, spot, radius))
        raw = [np.rint(o / np.float32(s)).astype(int) for o, s in zip(outputs, scales, strict=True)]
        cases.append(
            {
                "name": name,
                "skin": skin,
                "spot": spot,
                "radius": radius,
                "probabilities": raw[0].tolist(),
                "attention": raw[1].tolist(),
            }
        )
    OUT.write_text(json.dumps({"scales": scales, "cases": cases}) + "\n", encoding="utf-8")
    for case in cases:
        print(case["name"], case["probabilities"])


if __name__ == "__main__":
    main()
