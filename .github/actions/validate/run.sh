#!/usr/bin/env bash
# What the action runs: `gt validate` with what it was given in GT_PATHS, GT_BASE and GT_ALLOW_MISSING.
set -euo pipefail

args=(validate --output github)
if [[ "${GT_ALLOW_MISSING:-false}" == true ]]; then
    args+=(--allow-missing)
fi
if [[ -n "${GT_BASE:-}" && "$GT_BASE" != none ]]; then
    # A checkout of one commit does not have it yet.
    git cat-file -e "$GT_BASE^{commit}" 2> /dev/null || git fetch --quiet --depth=1 origin "$GT_BASE"
    args+=(--base "$GT_BASE")
fi
# One path a line: a path may hold blanks.
mapfile -t paths <<< "${GT_PATHS:-.}"
gt "${args[@]}" -- "${paths[@]}"
