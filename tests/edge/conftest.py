"""The embedded model and drawn pictures: what edge tests need, without TensorFlow."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from draw_lesion import draw

from skinedge.model_file import EMBEDDED


@pytest.fixture(scope="session")
def tiny_model() -> Path:
    """A SkinEdge model file: the embedded one is as quick as any."""
    return EMBEDDED


@pytest.fixture
def lesion(tmp_path: Path) -> Path:
    """A drawn lesion as PNG."""
    path = tmp_path / "lesion.png"
    cv2.imwrite(str(path), cv2.cvtColor(draw(3), cv2.COLOR_RGB2BGR))
    return path
