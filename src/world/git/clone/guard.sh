#!/bin/sh
# The guard that a town's worktrees run under: every hook is this file, under its own name.
# A polecat may move its own branch and what belongs to its worktree alone; then the repository's own hook runs.
# Written by gt; changes are overwritten.
hook=${0##*/}
here=$(cd "${0%/*}" 2>/dev/null && pwd -P)

# Is this repository one of the town's clones? Others (a test that runs `git init`) are left alone.
# Without GT_GUARD this is a person at work, who is not guarded.
ours=
dir=$(cd "${GIT_DIR:-.}" 2>/dev/null && pwd -P)
clones=@CLONES@
case $dir in
# A submodule's repository lies within its worktree's entry, and is the polecat's own.
"$clones"/*.git/worktrees/*/modules/*) ;;
"$clones"/*.git | "$clones"/*.git/worktrees/*) ours=1 ;;
esac

refuse() {
    echo "gt: $1" >&2
    exit 1
}

# May this ref be moved from here?
judge() {
    case $1 in
    "refs/heads/$GT_BRANCH") [ -n "$GT_BRANCH" ] && return 0 ;;
    # What belongs to this worktree alone, and what a fetch from the town's clone writes.
    refs/bisect/* | refs/worktree/* | refs/rewritten/* | refs/remotes/origin/*) return 0 ;;
    refs/stash) refuse "the stash is shared by all worktrees of this repository: commit to your branch instead" ;;
    refs/heads/*) refuse "${1#refs/heads/} is not your branch: work on ${GT_BRANCH:-a detached HEAD}" ;;
    refs/*) refuse "$1 belongs to the town: work on ${GT_BRANCH:-a detached HEAD}" ;;
    main-worktree/* | worktrees/*) refuse "$1 belongs to another worktree" ;;
    esac
    return 0
}

input=
case $hook in
reference-transaction | pre-receive | post-receive) input=$(cat) ;;
esac

if [ -n "$ours" ]; then
    case $hook in
    reference-transaction)
        if [ "$1" = prepared ] && [ -n "$GT_GUARD" ]; then
            while read -r old new ref; do
                [ -z "$ref" ] || judge "$ref"
            done <<REFS
$input
REFS
        fi
        ;;
    update)
        # Only a polecat pushes here, and only its own branch.
        [ -n "$GT_BRANCH" ] && [ "$1" = "refs/heads/$GT_BRANCH" ] ||
            refuse "origin takes ${GT_BRANCH:-nothing} only: the merge queue lands it, after \`gt done\`"
        ;;
    esac
fi

# The repository's own hook of this name, where its config says, without the guard's.
own=$(unset GIT_CONFIG_COUNT && git rev-parse --git-path hooks 2>/dev/null)
if [ "$(cd "$own" 2>/dev/null && pwd -P)" = "$here" ]; then
    own=$(git rev-parse --git-common-dir 2>/dev/null)/hooks
fi
[ -f "$own/$hook" ] && [ -x "$own/$hook" ] || exit 0
case $hook in
reference-transaction | pre-receive | post-receive) printf '%s\n' "$input" | "$own/$hook" "$@" ;;
*) exec "$own/$hook" "$@" ;;
esac
