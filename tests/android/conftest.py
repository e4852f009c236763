"""The build of the Android demo is no package of SkinEdge: it is imported from its folder."""

from __future__ import annotations

import sys
from pathlib import Path

# It reads TOML with the standard library.
OF_THE_BUILD = ["test_build_apk.py", "test_downloads.py", "test_references.py"]
collect_ignore = OF_THE_BUILD if sys.version_info < (3, 11) else []

sys.path.insert(0, str(Path(__file__).parents[2] / "android_demo"))
