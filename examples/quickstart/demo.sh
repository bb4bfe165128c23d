#!/bin/sh
# The quickstart, from nothing to landed:  examples/quickstart/demo.sh PATH-TO-GT
#
# Makes two repositories and a town in a folder of their own, applies the town, and waits until its convoy has landed.
# Everything stays in that folder: $GT_DEMO_DIR, else a new one in the temporary folder. It can be run again.
set -eu

if [ $# -ne 1 ] || [ ! -x "$1" ]; then
    echo "usage: $0 PATH-TO-GT    (build it first: cargo build --release)" >&2
    exit 64
fi
gt=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
here=$(cd "$(dirname "$0")" && pwd)
rigs='humane reflow'
convoy=release

# Another town, a polecat's session or a git hook around us must not reach into this one.
unset GT_TOWN GT_BEAD GT_RIG GT_POLECAT GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }
run() {
    say "\$ gt $*"
    "$gt" "$@"
}

# --- a folder of its own -------------------------------------------------------------------------------------------

dir=${GT_DEMO_DIR:-$(mktemp -d)}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
marker=$dir/.gt-quickstart
if [ ! -e "$marker" ] && [ -n "$(ls -A "$dir")" ]; then
    echo "error: $dir holds something else; set GT_DEMO_DIR to an empty folder" >&2
    exit 73
fi
: > "$marker"
export XDG_DATA_HOME="$dir/data" XDG_STATE_HOME="$dir/state"
town=$dir/town

if [ -e "$town/town.yaml" ]; then
    (cd "$town" && "$gt" down) > "$dir/down.log" 2>&1 || true # left over from a demo that was killed
    rm -rf "$town" "$XDG_DATA_HOME" "$XDG_STATE_HOME"
fi
echo "The quickstart lives in $dir"

# --- the repositories and the town ---------------------------------------------------------------------------------

mkdir -p "$town/repos"
cp "$here"/town/*.yaml "$town/"
for rig in $rigs; do
    work=$dir/work
    rm -rf "$work"
    cp -R "$here/rigs/$rig" "$work"
    rm -rf "$work/target" # if somebody has run its tests in place
    git init --quiet --bare "$town/repos/$rig.git"
    git --git-dir="$town/repos/$rig.git" symbolic-ref HEAD refs/heads/main
    (
        cd "$work"
        git init --quiet
        git symbolic-ref HEAD refs/heads/main
        git add --all
        git -c user.name=Quickstart -c user.email=quickstart@town.invalid \
            commit --quiet --no-gpg-sign -m "$rig 0.1.0"
        git push --quiet "$town/repos/$rig.git" main
    )
    rm -rf "$work"
done

# --- from YAML to landed -------------------------------------------------------------------------------------------

# However this ends, nothing of the town stays running. What went wrong is told before it is stopped.
stop() {
    code=$?
    trap - EXIT
    if [ "$code" -ne 0 ]; then
        say "The quickstart failed, with exit code $code. This is how the town stands:"
        "$gt" status || true
        printf '\nIts logs are under %s\n' "$XDG_STATE_HOME"
    fi
    "$gt" down || [ "$code" -ne 0 ] || code=1
    exit "$code"
}
cd "$town"
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

began=$(date +%s)
run init
run apply -f .
run up
run wait "convoy/$convoy" --for=condition=Landed --timeout 120s
took=$(($(date +%s) - began))

run get convoys
run get beads
run get mergerequests
for rig in $rigs; do
    say "\$ git log --graph --oneline main    # in $rig"
    git --no-pager --git-dir="repos/$rig.git" log --graph --oneline main
done

trap - EXIT
run down
say "Landed in $took s. The town is in $town: read its YAML, and the history of repos/*.git."
cat << END

Next, your own repository. In a new folder:

    export PATH="$(dirname "$gt"):\$PATH"
    gt init && gt rig add /path/to/your/repository

It writes a few lines of YAML and shows them; say what to do in a Convoy like $here/town/convoy.yaml.
What you commit there is live:

    git add . && git commit -m "a town" && gt up
END
