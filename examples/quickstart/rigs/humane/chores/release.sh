#!/bin/sh
# Sets the version, and lists in CHANGELOG.md what came in since the last one:  sh chores/release.sh VERSION
set -eu
next=$1
current=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
[ "$current" != "$next" ] || exit 0

# The commit that set the current version; everything after it is news.
since=$(git log -1 --format=%H -S"version = \"$current\"" -- Cargo.toml)
{
    printf '# Changelog\n\n## %s\n\n' "$next"
    git --no-pager log --reverse --no-merges --format='- %s' "$since..HEAD"
    git show HEAD:CHANGELOG.md 2> /dev/null | sed 1d || true
} > CHANGELOG.md

# Cargo.toml last: it is what says that the release is made.
mkdir -p target
for file in Cargo.lock Cargo.toml; do
    [ -f "$file" ] || continue
    sed "s/^version = \"$current\"\$/version = \"$next\"/" "$file" > target/released
    cat target/released > "$file"
done
