# A real registry and a real containerd, in a network of their own: an image is pushed, forgotten, and
# pulled again. Reads nothing; what it needs lies in $folder.
set -eu
cd "$folder"
ip link set lo up
ip address add "$address/32" dev lo
export CONTAINERD_ADDRESS=$folder/containerd.sock

# An image of one file.
mkdir -p image/blobs/sha256
echo hello >greeting
tar --owner=0 --group=0 --mtime=@0 -cf layer greeting
blob() {
    hash=$(sha256sum <"$1" | cut -d' ' -f1)
    size=$(stat -c %s "$1")
    cp "$1" "image/blobs/sha256/$hash"
}
blob layer
layer=$hash layer_size=$size
case $(uname -m) in
x86_64) architecture=amd64 ;;
*) architecture=arm64 ;;
esac
printf '{"architecture":"%s","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$architecture" "$layer" >config
blob config
oci=application/vnd.oci.image
printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":{"mediaType":"%s.config.v1+json","digest":"sha256:%s","size":%s},"layers":[{"mediaType":"%s.layer.v1.tar","digest":"sha256:%s","size":%s}]}' \
    "$oci" "$oci" "$hash" "$size" "$oci" "$layer" "$layer_size" >manifest
blob manifest
printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s.manifest.v1+json","digest":"sha256:%s","size":%s,"annotations":{"io.containerd.image.name":"docker.io/library/sample:1"}}]}' \
    "$oci" "$hash" "$size" >image/index.json
echo '{"imageLayoutVersion":"1.0.0"}' >image/oci-layout
tar -C image -cf image.tar .

printf 'version = 2\nroot = "%s/root"\nstate = "%s/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "%s"\n' \
    "$folder" "$folder" "$CONTAINERD_ADDRESS" >containerd.toml
containerd --config containerd.toml >containerd.log 2>&1 &
printf 'version: 0.1\nstorage:\n  filesystem: {}\nhttp: {}\n' >registry.yml
env $(cat environment) docker-registry serve registry.yml >registry.log 2>&1 &
for round in $(seq 300); do
    if sh -euc "$answers" && ctr version >/dev/null 2>&1; then break; fi
    sleep 0.1
done
sh -euc "$answers"

ctr --namespace=k8s.io images import --no-unpack image.tar >/dev/null
sh -euc "$tag"
sh -euc "$push"
ctr --namespace=k8s.io images remove --sync docker.io/library/sample:1 "$address:5000/sample:1" >/dev/null
sh -euc "$pull"
ctr --namespace=k8s.io images mount "$address:5000/sample:1" "$folder/mounted" >/dev/null
cat "$folder/mounted/greeting"
umount "$folder/mounted"
# Whoever has no password is refused.
! ctr --namespace=k8s.io images pull --hosts-dir=none "$address:5000/sample:1" >/dev/null 2>&1
