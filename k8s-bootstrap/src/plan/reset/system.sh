# The kernel's settings, swap, SELinux, the firewall, halb's user and folders, and
# services that made room.
awk '$1 == "sysctl"' "$state" | while read -r kind key value; do
    [ ! -e "/proc/sys/$key" ] || sysctl -w "$(printf %s "$key" | tr / .)=$value"
done
for module in br_netfilter overlay; do
    # One that something else uses by now stays.
    if [ -d "/sys/module/$module" ] && ! grep -qx "module $module" "$state"; then
        modprobe -r "$module" || :
    fi
done
if [ "$(systemctl show -p UnitFileState --value swap.target)" = masked ] &&
    [ "$(unit swap.target 5)" != masked ]; then
    systemctl unmask swap.target
fi
if grep -q '^swap ' "$state" && [ "$(wc -l </proc/swaps)" -le 1 ]; then
    swapon -a
    # Those of generators are in no table.
    if [ "$(wc -l </proc/swaps)" -le 1 ]; then systemctl start swap.target; fi
fi
if grep -qx 'selinux Enforcing' "$state" && has setenforce; then setenforce 1; fi
if [ "$(unit firewalld.service 4)" = active ]; then
    systemctl enable --now firewalld.service
    for open in $openings; do
        if grep -qx "open $open" "$state"; then continue; fi
        case $open in
        */tcp | */udp) firewall-cmd -q --permanent --remove-port="$open" ;;
        */*) firewall-cmd -q --permanent --zone=trusted --remove-source="$open" ;;
        *) firewall-cmd -q --permanent --remove-protocol="$open" ;;
        esac
    done
    firewall-cmd -q --reload
fi
if grep -qx 'ufw active' "$state"; then ufw --force enable; fi
if ! grep -qx 'user halb' "$state" && grep -q '^halb:' /etc/passwd; then userdel halb; fi
# What systemd made for halb's service, and halb filled.
if [ "$(unit halb.service 3)" != loaded ]; then
    for path in /var/lib/halb /var/log/halb; do
        grep -qx "folder $path" "$state" || rm -rf -- "$path"
    done
fi
for name in haproxy.service keepalived.service; do
    if [ "$(unit $name 5)" = enabled ]; then systemctl enable $name; fi
    if [ "$(unit $name 4)" = active ]; then systemctl start $name; fi
done
