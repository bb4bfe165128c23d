#!/usr/bin/env bash
# Limits of sessions and kills for memory, with a real systemd: run by `make machine` in a virtual machine, as a user
# who lingers. Each line that begins with `ok` was seen; the first thing that is not as it should be ends it.
set -euo pipefail
export PATH=$HOME/bin:$PATH
mkdir -p "$HOME/bin"
ln -sf "$GT_BIN" "$HOME/bin/gt"

town=$HOME/town
repo=$HOME/shop
fail() { echo "FAILED: $*" >&2; gt --town "$town" status >&2 || true; systemctl --user --no-pager status >&2 || true; exit 1; }
ok() { echo "ok: $*"; }
# A condition of an object: its status, reason and message.
condition() { gt get "$1" -o json | python3 -c '
import json, sys
for it in json.load(sys.stdin)["status"]["conditions"]:
    if it["type"] == sys.argv[1]: print(it["status"], it["reason"], it.get("message", ""))' "$2"; }
# Whether a command prints a text that holds the pattern.
says() {
    local pattern=$1 said
    shift
    said=$("$@" 2>&1) || true
    grep -q -- "$pattern" <<< "$said"
}
# Waits until it does.
until_says() {
    for _ in $(seq 100); do
        if says "$@"; then return; fi
        sleep 0.2
    done
    "${@:2}" >&2 || true
    fail "no \`$1\` in: ${*:2}"
}

git init -q -b main "$repo"
git -C "$repo" commit -q --allow-empty -m begin
git -C "$repo" config receive.denyCurrentBranch updateInstead
gt init --trust None "$town" > /dev/null
cd "$town"
gt up

cat > shop.yaml << YAML
apiVersion: gastown.io/v1alpha1
kind: Runtime
metadata: { name: small }
spec:
  command: [gt:script]
  resources: { limits: { memory: 64Mi, cpu: 500m } }
---
apiVersion: gastown.io/v1alpha1
kind: Rig
metadata: { name: shop }
spec:
  repo: { url: $repo }
  runtime: small
  merge: { strategy: Push, allowUnverified: true }
YAML
gt apply -f shop.yaml
until_says '^True Ok' condition runtime/small LimitsEnforced
ok "the Runtime says that its limits are enforced"

# --- a session has a scope with its limits --------------------------------------------------------------------------

cat > convoy.yaml << YAML
apiVersion: gastown.io/v1alpha1
kind: Convoy
metadata: { name: first }
spec:
  rig: shop
  beads:
  - name: look
    title: Look at the limits
    command: |
      group=/sys/fs/cgroup\$(sed -n 's/^0:://p' /proc/self/cgroup)
      for file in memory.max memory.swap.max cpu.max; do echo "\$file \$(cat \$group/\$file)"; done > limits.txt
      echo "\$GT_MEMORY_LIMIT \${group##*/}" >> limits.txt
YAML
gt apply -f convoy.yaml
gt wait convoy/first --for=condition=Landed --timeout 5m > /dev/null || fail "the first convoy did not land"
seen=$(cat "$repo/limits.txt")
case $seen in
    *"memory.max 67108864"*"memory.swap.max 0"*"cpu.max 50000 100000"*"64Mi gt-shop-"*.scope) ok "a session is held to its limits, in a scope of its own" ;;
    *) fail "the session saw: $seen" ;;
esac

# --- a program that is killed, and an agent that goes on ------------------------------------------------------------

cat > convoy.yaml << YAML
apiVersion: gastown.io/v1alpha1
kind: Convoy
metadata: { name: second }
spec:
  rig: shop
  beads:
  - name: survives
    title: Survive what it started
    command: "python3 -c 'x = bytearray(200 << 20)' || echo it was killed > survived.txt"
YAML
gt apply -f convoy.yaml
gt wait convoy/second --for=condition=Landed --timeout 5m > /dev/null || fail "an agent whose program was killed did not land"
[ -e "$repo/survived.txt" ] || fail "its program was not killed"
ok "an agent whose program is killed for memory goes on and lands"

# --- an agent that is killed ----------------------------------------------------------------------------------------

cat > convoy.yaml << YAML
apiVersion: gastown.io/v1alpha1
kind: Convoy
metadata: { name: third }
spec:
  rig: shop
  beads:
  - name: hungry
    title: Take more than there is
    command: "gt prime > primed-\$GT_ATTEMPT.txt; python3 -c 'x = bytearray(100 << 20); open(\"fed.txt\", \"w\").write(\"well\")'"
YAML
gt apply -f convoy.yaml
until_says . gt get beads -l gastown.io/convoy=third -o name
bead=bead/$(gt get beads -l gastown.io/convoy=third -o json | python3 -c '
import json, sys
print([it["metadata"]["name"] for it in json.load(sys.stdin)["items"] if it["spec"]["type"] != "Step"][0])')
until_says '^True OutOfMemory' condition "$bead" SetAside
until_says 'was killed at its memory limit of 64Mi' condition "$bead" SetAside
gt get "$bead" -o json | python3 -c '
import json, sys
status = json.load(sys.stdin)["status"]
assert (status["attempts"], status["failures"]) == (2, 1), status' || fail "two kills are not one failure"
ok "an agent that is killed at its limit twice is set aside, and that is one failure"
says 'out of memory twice' gt status || fail "gt status does not say so"
says "killed for reaching the session's memory limit" gt logs "$bead" || fail "its log does not say so"
ok "gt status and gt logs say so"

sed -i 's/64Mi/512Mi/' shop.yaml
gt apply -f shop.yaml
gt wait convoy/third --for=condition=Landed --timeout 5m > /dev/null || fail "with more memory it did not go on by itself"
grep -q 'killed for memory' "$repo/primed-3.txt" || fail "the next agent was not told"
ok "with a higher limit it goes on by itself, told of how the last one ended, and lands"

# --- the supervisor is killed ---------------------------------------------------------------------------------------

cat > convoy.yaml << YAML
apiVersion: gastown.io/v1alpha1
kind: Convoy
metadata: { name: fourth }
spec:
  rig: shop
  beads:
  - name: hides
    title: Hide something
    command: |
      if [ "\$GT_ATTEMPT" = 1 ]; then
        # In two parts, so that no text of ours looks like it.
        half=47
        (cd / && exec setsid env -i /bin/sh -c "exec < /dev/null > /dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; sleep \${half}11 & wait" &)
        sleep 600
      fi
      pgrep -cf 'sleep 471[1]' > hidden.txt || true
YAML
gt apply -f convoy.yaml
until_says . pgrep -f 'sleep 471[1]'
scope=$(systemctl --user --no-legend --plain list-units 'gt-shop-*.scope' | cut -d' ' -f1)
[ "$(echo "$scope" | wc -w)" = 1 ] || fail "not one scope: $scope"
pkill -9 -f 'gt-supervisor __run|supervisor.*__run .*spec.json' || fail "no supervisor was found"
gt wait convoy/fourth --for=condition=Landed --timeout 5m > /dev/null || fail "it did not land after its supervisor was killed"
[ "$(cat "$repo/hidden.txt")" = 0 ] || fail "what the killed supervisor left was there: $(cat "$repo/hidden.txt")"
ok "what a killed supervisor left without a mark was ended before the next attempt"

# --- nothing is left ------------------------------------------------------------------------------------------------

gt down --stop-agents
until_says '^0$' sh -c "systemctl --user --no-legend --plain --all list-units 'gt-*.scope' | wc -l"
! pgrep -f 'sleep 471[1]' > /dev/null || fail "something is left"
ok "no scope and no process is left"
