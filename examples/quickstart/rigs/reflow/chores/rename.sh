#!/bin/sh
# Renames a Rust identifier, whole words only:  sh chores/rename.sh OLD NEW
#
# It begins with the library itself. Who else uses the old name is what the tests know: when an attempt comes back
# red, the compiler's `--> file:line` notes in the log say where to go on.
set -eu
old=$1 new=$2

files=$(ls src/*.rs README.md)
if [ "${GT_REWORK:-}" = Red ]; then
    files="$files $(awk '$1 == "-->" && $2 ~ /^[a-z]/ { sub(/:.*/, "", $2); print $2 }' "$GT_REWORK_LOG" | sort -u)"
fi

mkdir -p target
for file in $files; do
    [ -f "$file" ] || continue
    awk -v old="$old" -v new="$new" '{
        done = ""; rest = $0
        while ((at = index(rest, old)) > 0) {
            before = at > 1 ? substr(rest, at - 1, 1) : substr(done, length(done))
            after = substr(rest, at + length(old), 1)
            done = done substr(rest, 1, at - 1) ((before after) ~ /[A-Za-z0-9_]/ ? old : new)
            rest = substr(rest, at + length(old))
        }
        print done rest
    }' "$file" > target/renamed
    cmp -s target/renamed "$file" || cat target/renamed > "$file"
done
