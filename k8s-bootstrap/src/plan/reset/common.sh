store=/var/lib/halb-k8s/before
state=$store/state
has() { command -v "$1" >/dev/null 2>&1; }
# Whether a package was there before.
had() { grep -q "^package $1 " "$state"; }
# What a unit was: the third word is its LoadState, the fourth its ActiveState, the fifth whether it
# started at boot.
unit() { awk -v unit="$1" -v field="$2" '$1 == "unit" && $2 == unit { print $field }' "$state"; }
