#!/bin/sh
# The agent of the built-in `script` runtime: works a bead by running the commands of its steps. It needs no model, and
# does real work for codemods and chores. It uses only public verbs, so it is also the shortest account of what an
# agent has to do, in the environment that every agent gets:
#
#   the current directory   the bead's worktree, on the bead's own branch
#   GT_BEAD                 the bead on the hook
#   GT_RIG, GT_POLECAT      where this is, and who we are
#   GT_ATTEMPT              1 for the first session on the bead, then counting up
#   GT_REWORK               empty, or why the bead came back: Red (verification failed), Conflict (it did not apply)
#   GT_REWORK_LOG           for Red the file that holds the log, for Conflict the list of files
#
# Commands see the same. One that fails ends the session with its exit code; `gt` then starts another session on the
# same branch. So a command may run twice, and what is committed or closed already is left alone.
set -eu

# Nobody is here to answer: a command that asks gets end-of-file, and git opens neither a pager nor an editor.
exec < /dev/null
export GIT_PAGER=cat PAGER=cat GIT_EDITOR=: GIT_TERMINAL_PROMPT=0

say() { printf 'script: %s\n' "$*" >&2; }

# `gt hook --json` has all of this in one object, but a shell cannot read JSON without help; `-o` gives the same facts
# as plain text. Each is assigned on its own line, so that a `gt hook` that fails ends the session (`set -e`) and is
# not taken for "nothing left to do".
while :; do
    steps=$(gt hook -o steps) # the ids of the steps that are open and ready, one a line
    [ -n "$steps" ] || break
    for step in $steps; do
        title=$(gt hook -o title "$step")
        command=$(gt hook -o command "$step")
        if [ -z "$command" ]; then
            say "step $step ($title) has no command: give the bead a \`command\`, or the step a \`run\`"
            exit 78 # EX_CONFIG: another attempt would end the same way
        fi

        say "$title"
        code=0
        sh -e -c "$command" || code=$?
        if [ "$code" -ne 0 ]; then
            say "$title: the command ended with exit code $code"
            exit "$code"
        fi

        # What the command left uncommitted is the step's work. No signing: there is nobody to unlock a key.
        git add --all
        # What the rig's setup has made is ignored; but not what the command has changed of it.
        if gt hook -o made | grep -qz .; then
            gt hook -o made | git --literal-pathspecs add --force --pathspec-from-file=- --pathspec-file-nul
        fi
        git diff --cached --quiet || git commit --quiet --no-gpg-sign -m "$title ($GT_BEAD)"
        bd close "$step"
    done
done

if [ -n "$(gt hook -o next)" ]; then
    exec gt done # the steps that are left are for another runtime
fi

base=$(gt hook -o base) # the commit that the branch started from
commits=$(git rev-list --count "$base..HEAD")
if [ "$commits" -eq 0 ]; then
    bd close "$GT_BEAD" --reason="no-changes: the commands left the tree as it was"
fi
gt done
