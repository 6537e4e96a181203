# Begins each script that a host runs to say what it is. Login shells may print lines of their own:
# what counts begins with "halb:".
LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
tab=$(printf '\t')

# A line: its kind and its fields, with tabs between them.
say() {
    line="halb:$1"
    shift
    for field in "$@"; do
        line="$line$tab$(printf '%s' "$field" | tr '\t\r\n' '   ')"
    done
    printf '%s\n' "$line"
}

has() { command -v "$1" >/dev/null 2>&1; }
