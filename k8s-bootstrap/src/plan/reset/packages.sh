# Those that weren't there before go, and what came along with them; the others are held as they were.
ours='kubeadm kubectl kubelet cri-tools kubernetes-cni containerd.io ca-certificates curl gpg container-selinux'
gone= held=
for name in $ours; do
    if had "$name"; then
        if ! grep -q "^package $name [^ ]* hold" "$state"; then held="$held $name"; fi
    else
        gone="$gone $name"
    fi
done
if has apt-get; then
    export DEBIAN_FRONTEND=noninteractive
    apt() { apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold "$@"; }
    there() { dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -q installed; }
    purge=
    for name in $gone; do if there "$name"; then purge="$purge $name"; fi; done
    [ -z "$purge" ] || apt purge --allow-change-held-packages $purge
    for name in $held; do if there "$name"; then apt-mark unhold "$name"; fi; done
    along=
    for name in $(apt-get -s autoremove 2>/dev/null | awk '$1 == "Remv" { print $2 }'); do
        had "$name" || along="$along $name"
    done
    [ -z "$along" ] || apt purge $along
elif has dnf; then
    remove=
    for name in $gone; do
        case $name in ca-certificates | curl | gpg) continue ;; esac
        if rpm -q "$name" >/dev/null 2>&1; then remove="$remove $name"; fi
    done
    [ -z "$remove" ] || dnf -y remove $remove
fi
awk '$1 == "package"' "$state" | while read -r kind name version hold; do
    case " $ours " in *" $name "*) ;; *) continue ;; esac
    now=$(dpkg-query -W -f '${Version}\n' "$name" 2>/dev/null || rpm -q --qf '%{VERSION}-%{RELEASE}' "$name" 2>/dev/null || :)
    [ "$now" = "$version" ] || echo "$name was $version, and stays $now"
done
if ! had kubelet; then rm -rf /var/lib/kubelet /var/lib/etcd /etc/kubernetes; fi
if ! had containerd.io && ! had containerd; then rm -rf /var/lib/containerd /etc/containerd /run/containerd; fi
