#!/bin/sh
# Marks every public function with a result `#[must_use]`: to wrap a text and drop the lines is a mistake.
# `Result` needs no mark, the compiler has one for it.
set -eu

mkdir -p target
for file in src/*.rs; do
    awk '
        /^ *pub fn .*-> / && !/-> Result</ && last !~ /must_use/ {
            indent = $0; sub(/pub fn.*/, "", indent)
            print indent "#[must_use]"
        }
        { print; last = $0 }
    ' "$file" > target/marked
    cmp -s target/marked "$file" || cat target/marked > "$file"
done
