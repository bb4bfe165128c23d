#!/bin/sh
# Writes the table of public functions in README.md, between its `index` marks: each with the first line of its doc.
set -eu
LC_ALL=C
export LC_ALL

mkdir -p target
awk '
    /^\/\/\/ /  { if (doc == "") doc = substr($0, 5); next }
    /^\/\/\//   { next }
    /^#\[/      { next }
    /^pub fn /  { name = $3; sub(/[(<].*/, "", name); print "| `" name "` | " doc " |" }
                { doc = "" }
' src/*.rs > target/index
awk '
    /^<!-- \/index -->/ { within = 0 }
    !within             { print }
    /^<!-- index -->/ {
        within = 1
        print "\n| function | what it does |\n|---|---|"
        while ((getline line < "target/index") > 0) print line
        print ""
    }
' README.md > target/readme
cmp -s target/readme README.md || cat target/readme > README.md
