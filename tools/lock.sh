#!/usr/bin/env bash
# Lock every package with its hashes, for Python 3.10 and 3.11, and without any index's address.
# Horovod gets a file of its own: it is built from source after all the others are there.
set -euo pipefail
uv=(uv pip compile --universal --python-version 3.10 --generate-hashes --no-annotate --no-header --quiet)
"${uv[@]}" pyproject.toml --extra mpi --extra build --extra test -o requirements.lock
"${uv[@]}" --no-deps - -o requirements-horovod.lock <<< "$(sed -n 's/^horovod = \["\(.*\)"\].*/\1/p' pyproject.toml)"
