# Static pods are stopped by taking their manifests away and started by putting them back; that is
# all that kubelet goes by. Whatever ends this, none stays away.
manifests=/etc/kubernetes/manifests parked=/etc/kubernetes/halb-parked
back() {
    for file in "$parked"/*.yaml; do [ ! -e "$file" ] || mv -f "$file" "$manifests/"; done
    rmdir "$parked" 2>/dev/null || :
}
listens() { ss -Hltn | awk '{ n = split($4, at, ":"); print at[n] }' | grep -qx "$1"; }
# Waits until a port is taken, or free: which, the port, the pod whose it is.
await() {
    left=900
    while :; do
        if listens "$2"; then state=taken; else state=free; fi
        [ "$state" != "$1" ] || return 0
        left=$((left - 1))
        [ "$left" -gt 0 ] || { echo "$3: its port $2 isn't $1 after three minutes" >&2; exit 1; }
        sleep 0.2
    done
}
