# Sourced by the scripts beside it. It brings the caller to the top of the checkout.
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What a machine lacks is installed here rather than into anyone's home.
export PATH="$PWD/target/tools/bin:$PWD/target/peers/bin:${HALB_CACHE:-/var/cache/halb}/tools/bin:$PATH"

# Nothing in a run waits for a keyboard.
exec </dev/null

stage_name='' stage_begun=0

# stage NAME COMMAND…: runs it and says how long it took, also when it fails.
stage() {
    stage_name=$1 stage_begun=$SECONDS
    shift
    printf '\n== %s\n' "$stage_name"
    "$@"
    printf '== %s: %d s\n' "$stage_name" $((SECONDS - stage_begun))
    stage_name=''
}

stage_failed() {
    [ -z "$stage_name" ] || printf '== %s: failed after %d s\n' \
        "$stage_name" $((SECONDS - stage_begun))
}
trap stage_failed EXIT

# need_root COMMAND: many tests make namespaces, users and whole hosts.
need_root() {
    [ "$(id -u)" = 0 ] || {
        echo "This needs root (namespaces, users, packages): sudo env \"PATH=\$PATH\" $1" >&2
        exit 1
    }
}
