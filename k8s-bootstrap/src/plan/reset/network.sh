# What pods' network leaves: kubeadm says that it doesn't clear it.
rm -rf /etc/cni/net.d /var/lib/cni /var/lib/calico /run/calico
if has ip; then
    for link in $(ip -o link show 2>/dev/null | awk -F ': ' '{ print $2 }' | cut -d @ -f 1); do
        case $link in cali* | vxlan.calico | kube-ipvs0) ip link delete "$link" || : ;; esac
    done
fi
# Rules of kube-proxy and Calico only: others may be the host's own.
for save in iptables-save ip6tables-save; do
    if ! has $save || ! $save | grep -q -e KUBE- -e cali-; then continue; fi
    $save | grep -v -e KUBE- -e cali- -e 'cali:' | ${save%-save}-restore
done
if has nft; then
    for table in 'ip kube-proxy' 'ip6 kube-proxy'; do nft delete table $table 2>/dev/null || :; done
fi
