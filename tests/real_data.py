"""Where the real datasets are, for tests that use them and skip where they are absent.

`SKINEDGE_DATA` names the folder that holds `ham10000/` and `isic-metadata/`; without it, a folder
`shared/data` beside the repository is looked for.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["HAM10000", "ISIC_TABLES", "needs_ham10000", "needs_isic_tables"]

_ROOT = Path(os.environ.get("SKINEDGE_DATA", Path(__file__).parents[2] / "shared" / "data"))
HAM10000 = _ROOT / "ham10000"
ISIC_TABLES = _ROOT / "isic-metadata"

needs_ham10000 = pytest.mark.skipif(
    not HAM10000.is_dir(), reason="HAM10000 is not here; name its parent folder in SKINEDGE_DATA"
)
needs_isic_tables = pytest.mark.skipif(
    not ISIC_TABLES.is_dir(),
    reason="ISIC's tables are not here; name their parent folder in SKINEDGE_DATA",
)
