for name in halb kubelet containerd; do
    if [ "$(systemctl show -p LoadState --value $name.service)" != loaded ]; then continue; fi
    case $(unit $name.service 5) in enabled) ;; *) systemctl disable $name.service ;; esac
    case $(unit $name.service 4) in active) ;; *) systemctl stop $name.service ;; esac
done
