#!/bin/sh
# The story that `gt runtime test` has an agent play: the agent runs this in its worktree, and does what it prints.
set -eu

is_told=no # or yes, where messages reach the agent
attempt=$(dirname "$GT_RUN")
first=$(dirname "$attempt")/1
echo "$GT_ATTEMPT" >> "$attempt/story-ran"
echo one > one.txt

if [ "$GT_ATTEMPT" -eq 1 ]; then
    # The test kills this session now; its end ends the wait too.
    touch "$attempt/story-waits"
    sleep 100
    echo "This session was to be killed here, and was not. End your turn."
    exit 1
fi

# The answer stands in a line of its own.
if ! gt prime | grep -qx alpha; then
    gt ask "Which word shall be in two.txt?" --option alpha --option beta
    echo "You have asked a question. End your turn now: the answer begins your next one. Then run \`sh story.sh\` again."
    exit 75
fi
echo alpha > two.txt

if [ "$is_told" = yes ] && [ "${1:-}" != gamma ]; then
    touch "$first/story-listens"
    # The test sends a message while this runs.
    tries=0
    until [ -e "$first/story-sent" ] || [ "$tries" -eq 600 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    echo "A message with a word waits for you. End your turn now: it begins your next one. Then run \`sh story.sh WORD\` with that word."
    exit 0
fi
touch "$first/story-told"
echo "That was all. Now commit one.txt and two.txt, close the step, and hand in with \`gt done\`."
