# Each file as it was, with its rights, or gone; and folders that are empty now and
# weren't there.
if [ -d "$store/files" ]; then
    find "$store/files" -type f | while IFS= read -r kept; do
        path=${kept#"$store/files"}
        mkdir -p "${path%/*}"
        cp -p -- "$kept" "$path.halb-new"
        sync -- "$path.halb-new"
        mv -fT -- "$path.halb-new" "$path"
        ! has restorecon || restorecon -- "$path"
    done
fi
if [ -d "$store/absent" ]; then
    find "$store/absent" -type f | while IFS= read -r kept; do
        rm -f -- "${kept#"$store/absent"}"
    done
    find "$store/absent" -type f | while IFS= read -r kept; do
        at=${kept#"$store/absent"}
        at=${at%/*}
        while [ -n "$at" ] && [ "$at" != "$(cat "$kept")" ]; do
            [ ! -d "$at" ] || rmdir -- "$at" 2>/dev/null || break
            at=${at%/*}
        done
    done
fi
systemctl daemon-reload
if has apt-get; then
    DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Options::=--force-confold update || echo "lists of packages are as they were"
fi
