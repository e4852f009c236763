#!/bin/sh
# Builds, tests, signs and verifies the demo's APK; --help lists what can be asked for.
# Needs Python 3.11 ($PYTHON names one), JDK 17, and at first Maven, pip and the network.
set -eu
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit("build_apk.sh needs Python 3.11 or newer; name one with PYTHON"
    if sys.version_info < (3, 11) else 0)'
PYTHONPATH="$(cd "$(dirname "$0")" && pwd)" PYTHONDONTWRITEBYTECODE=1 \
    exec "$python" -m buildtools "$@"
