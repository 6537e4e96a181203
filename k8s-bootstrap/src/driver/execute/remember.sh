# Notes how this host is before halb changes it, for whoever puts it back: the system as a list, once,
# and each file that is going to be changed, as it is or that it isn't there. $files has one a line.
LC_ALL=C
export LC_ALL
store=/var/lib/halb-k8s/before
umask 077
mkdir -p "$store"
has() { command -v "$1" >/dev/null 2>&1; }
system() {
    for unit in containerd.service firewalld.service halb.service haproxy.service keepalived.service kubelet.service swap.target; do
        state() { systemctl show -p "$1" --value "$unit" 2>/dev/null; }
        echo "unit $unit $(state LoadState) $(state ActiveState) $(state UnitFileState)"
    done
    if has dpkg-query; then
        dpkg-query -W -f '${Package}\t${Version}\t${db:Status-Want}\t${db:Status-Status}\n' |
            awk -F '\t' '$4 == "installed" { print "package", $1, $2, $3 }'
    elif has rpm; then
        rpm -qa --qf 'package %{NAME} %{VERSION}-%{RELEASE} install\n'
    fi
    awk 'NR > 1 { print "swap", $1 }' /proc/swaps 2>/dev/null || :
    for key in net/ipv4/ip_forward net/bridge/bridge-nf-call-iptables net/bridge/bridge-nf-call-ip6tables; do
        [ ! -r "/proc/sys/$key" ] || echo "sysctl $key $(cat "/proc/sys/$key")"
    done
    for module in br_netfilter overlay; do
        [ ! -d "/sys/module/$module" ] || echo "module $module"
    done
    if has getenforce; then echo "selinux $(getenforce)"; fi
    if has firewall-cmd && firewall-cmd --state >/dev/null 2>&1; then
        for open in $(firewall-cmd --permanent --list-ports) \
            $(firewall-cmd --permanent --list-protocols) \
            $(firewall-cmd --permanent --zone=trusted --list-sources); do
            echo "open $open"
        done
    elif has ufw && ufw status 2>/dev/null | grep -q '^Status: active'; then
        echo "ufw active"
    fi
    if grep -q '^halb:' /etc/passwd; then echo "user halb"; fi
    for path in /var/lib/halb /var/log/halb; do
        [ ! -e "$path" ] || echo "folder $path"
    done
}
if [ ! -e "$store/state" ]; then
    system >"$store/state.new"
    sync -- "$store/state.new"
    mv "$store/state.new" "$store/state"
fi
printf '%s\n' "$files" | while IFS= read -r path; do
    if [ -z "$path" ] || [ -e "$store/files$path" ] || [ -e "$store/absent$path" ]; then continue; fi
    if [ -e "$path" ]; then
        mkdir -p "$store/files${path%/*}"
        cp -p -- "$path" "$store/files$path.halb-new"
        sync -- "$store/files$path.halb-new"
        mv -- "$store/files$path.halb-new" "$store/files$path"
    else
        # With the folder above it that is there.
        at=${path%/*}
        while [ -n "$at" ] && [ ! -d "$at" ]; do at=${at%/*}; done
        mkdir -p "$store/absent${path%/*}"
        printf '%s\n' "$at" >"$store/absent$path"
    fi
done
