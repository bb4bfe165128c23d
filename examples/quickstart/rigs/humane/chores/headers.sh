#!/bin/sh
# Puts the licence on the first line of every source file in a folder:  sh chores/headers.sh FOLDER
set -eu
header='// SPDX-License-Identifier: MIT OR Apache-2.0'

mkdir -p target
for file in "$1"/*.rs; do
    [ "$(head -n 1 "$file")" != "$header" ] || continue
    { echo "$header"; cat "$file"; } > target/headed
    cat target/headed > "$file"
done
