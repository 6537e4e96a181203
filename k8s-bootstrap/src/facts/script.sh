# Says what this host is and has, a line for each thing, and changes nothing. Before it stand the
# lists of what to look for, as assignments to variables, and say.sh.
say clock "$(date +%s%N)"
say hostname "$(uname -n)"
say kernel "$(uname -m)" "$(uname -r)"
(
    ID= VERSION_ID= VERSION_CODENAME= ID_LIKE= PRETTY_NAME=
    [ ! -r /etc/os-release ] || . /etc/os-release
    say os "$ID" "$VERSION_ID" "$VERSION_CODENAME" "$ID_LIKE" "$PRETTY_NAME"
)
if [ "$(stat -f -c %T /sys/fs/cgroup 2>/dev/null)" = cgroup2fs ]; then say cgroup 2; else say cgroup 1; fi
say memory "$(awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo)"
say processors "$(grep -c '^processor' /proc/cpuinfo)"
say machine-id "$(cat /etc/machine-id 2>/dev/null)"

for path in $disks; do
    at=$path
    while [ ! -d "$at" ]; do at=$(dirname "$at"); done
    say free "$path" "$(df -Pk "$at" | awk 'NR == 2 { print $4 }')"
done

awk 'NR > 1 { print $1 }' /proc/swaps 2>/dev/null | while read -r name; do say swap "$name"; done
if has systemctl; then
    systemctl list-units --type=swap --all --no-legend --plain 2>/dev/null |
        while read -r unit rest; do say swap-unit "$unit"; done
fi

if has ip; then
    ip -o -4 address show | awk '{ print $2, $4 }' |
        while read -r name address; do say address "$name" "$address"; done
    say default-route "$(ip -4 route show default |
        awk '{ for (i = 1; i < NF; i++) if ($i == "dev") { print $(i + 1); exit } }')"
fi

if has getenforce; then say selinux "$(getenforce)"; else say selinux Disabled; fi

if has apt-get; then
    say package-manager apt
    dpkg-query -W -f '${Package}\t${Version}\t${db:Status-Want}\t${db:Status-Status}\n' $packages 2>/dev/null |
        while IFS="$tab" read -r name version want status; do
            if [ "$status" = installed ]; then say package "$name" "$version" "$want"; fi
        done
elif has dnf; then
    case $(readlink -f "$(command -v dnf)") in
    *dnf5*) say package-manager dnf5 ;;
    *) say package-manager dnf4 ;;
    esac
    for name in $packages; do
        if version=$(rpm -q --qf '%{VERSION}-%{RELEASE}\n' "$name" 2>/dev/null); then
            say package "$name" "$(printf '%s\n' "$version" | tail -n 1)" install
        fi
    done
fi

# Permissions, owner, hash; the text of small files that hold no secret, in hexadecimal digits.
look_at() {
    if [ -d "$2" ]; then
        say file "$2" $(stat -c '%a %U:%G' "$2") - ''
    elif [ -f "$2" ]; then
        text=
        if [ "$1" = text ] && [ "$(stat -c %s "$2")" -le 65536 ]; then
            text=:$(od -An -v -tx1 "$2" | tr -d ' \n')
        fi
        say file "$2" $(stat -c '%a %U:%G' "$2") "$(sha256sum "$2" | cut -d ' ' -f 1)" "$text"
    fi
}
for path in $texts; do look_at text "$path"; done
for path in $hashes; do look_at hash "$path"; done

if has systemctl; then
    for unit in $units; do
        state() { systemctl show -p "$1" --value "$unit" 2>/dev/null; }
        case $(state LoadState) in
        loaded | masked) say service "$unit" "$(state ActiveState)" "$(state UnitFileState)" ;;
        esac
    done
fi

for key in $sysctls; do
    file=/proc/sys/$(printf '%s' "$key" | tr . /)
    if [ -r "$file" ]; then say sysctl "$key" "$(cat "$file")"; fi
done

for module in $modules; do
    if [ -d "/sys/module/$module" ] ||
        grep -qs "/$module\\.ko" "/lib/modules/$(uname -r)/modules.builtin"; then
        say module "$module"
    elif [ "$module" = overlay ] && grep -qw overlay /proc/filesystems; then
        say module overlay
    elif [ "$module" = br_netfilter ] && [ -d /proc/sys/net/bridge ]; then
        say module br_netfilter
    fi
done

if has ss; then
    ss -Hltnp | awk '{ n = split($4, at, ":"); print at[n], $6 }' | sort -u |
        while read -r port who; do
            case " $ports " in *" $port "*) say port "$port" "$who" ;; esac
        done
fi

if has firewall-cmd && firewall-cmd --state >/dev/null 2>&1; then
    say firewall firewalld
    for open in $(firewall-cmd --permanent --list-ports) \
        $(firewall-cmd --permanent --list-protocols) \
        $(firewall-cmd --permanent --zone=trusted --list-sources); do
        say open "$open"
    done
elif has ufw && ufw status 2>/dev/null | grep -q '^Status: active'; then
    say firewall ufw
fi

if has containerd; then
    systemd=no
    if containerd config dump 2>/dev/null | grep -q '^ *SystemdCgroup = true'; then systemd=yes; fi
    say runtime "$(containerd --version 2>/dev/null | cut -d ' ' -f 3)" "$systemd"
fi

if [ -f "$server" ]; then
    version=$(sed -n 's,^ *image: .*/kube-apiserver:\(v[0-9.]*\).*,\1,p' "$server")
    if [ -n "$version" ]; then say api-server "$version"; fi
fi
for mark in "$drained"*; do
    if [ -f "$mark" ]; then say drained "${mark#"$drained"}"; fi
done

# The cluster, where this host is a master of one.
admin=/etc/kubernetes/admin.conf
kube() { timeout 20 kubectl "--kubeconfig=$admin" --request-timeout=8s "$@" 2>/dev/null; }
if [ -s "$admin" ] && has kubectl; then
    if nodes=$(kube get nodes -o 'jsonpath={range .items[*]}{.metadata.name}{"\t"}{.status.conditions[?(@.type=="Ready")].status}{"\t"}{.status.nodeInfo.kubeletVersion}{"\t"}{.status.addresses[?(@.type=="InternalIP")].address}{"\t"}{.spec.unschedulable}{"\t"}{.metadata.annotations.halb/out-of-service}{"\n"}{end}'); then
        say cluster answers
        printf '%s\n' "$nodes" | tr '\t' '|' |
            while IFS='|' read -r name ready version address cordoned by; do
                if [ -n "$name" ]; then
                    say node "$name" "$ready" "$version" "$address" "$cordoned" "$by"
                fi
            done
        version=$(kube -n kube-system get configmap kubeadm-config \
            -o 'jsonpath={.data.ClusterConfiguration}' |
            sed -n 's/^kubernetesVersion: *"\{0,1\}\(v[0-9.]*\).*/\1/p')
        if [ -n "$version" ]; then say kubernetes "$version"; fi
        kube get nodes -l node-role.kubernetes.io/control-plane -o name |
            while read -r name; do say master "${name#node/}"; done
        pki=/etc/kubernetes/pki/etcd
        kube -n kube-system exec "etcd-$node" -c etcd -- etcdctl \
            --endpoints=https://127.0.0.1:2379 "--cacert=$pki/ca.crt" \
            "--cert=$pki/healthcheck-client.crt" "--key=$pki/healthcheck-client.key" member list |
            while IFS=', ' read -r id state name peer client learner; do
                if [ "$state" ]; then say etcd "$id" "$name" "$peer" "$learner"; fi
            done
        if calico=$(kube get installations.operator.tigera.io default -o 'jsonpath={.status.calicoVersion}{"\t"}{.spec.calicoNetwork.ipPools[0].cidr}'); then
            available=$(kube get tigerastatuses.operator.tigera.io calico -o 'jsonpath={.status.conditions[?(@.type=="Available")].status}')
            say calico "${calico%%"$tab"*}" "${calico#*"$tab"}" "$available"
        fi
    else
        say cluster silent
    fi
fi
printf 'halb:end\n'
