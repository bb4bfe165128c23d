#!/bin/sh
# Takes the blanks off the ends of lines, in every text file that git knows.
set -eu

mkdir -p target
git ls-files -- '*.rs' '*.md' '*.sh' '*.toml' | while read -r file; do
    sed 's/[[:blank:]]*$//' "$file" > target/trimmed
    cmp -s target/trimmed "$file" || cat target/trimmed > "$file"
done
