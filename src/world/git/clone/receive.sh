#!/bin/sh
# What a town's clone takes from a polecat's repository: the polecat's own branch, and nothing else.
# Written by gt; changes are overwritten.
[ -n "$GT_BRANCH" ] && [ "$1" = "refs/heads/$GT_BRANCH" ] && exit 0
echo "gt: origin takes ${GT_BRANCH:-nothing} only: the merge queue lands it, after \`gt done\`" >&2
exit 1
