use super::*;

const JOIN: &str = r#"apiVersion: "kubeadm.k8s.io/v1beta4"
kind: "JoinConfiguration"
discovery:
  bootstrapToken:
    apiServerEndpoint: "api.seed.internal:6443"
    token: "abcdef.0123456789abcdef"
    caCertHashes: ["sha256:00"]
  tlsBootstrapToken: "abcdef.0123456789abcdef"
nodeRegistration:
  name: "kworker01"
  kubeletExtraArgs:
    - name: "node-ip"
      value: "172.16.16.201"
"#;

#[test]
fn a_file_of_several_documents_is_read() {
    let text = format!(
        "{JOIN}---\napiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n\
         failSwapOn: true\n"
    );
    let documents = parse(&text).unwrap();
    let join = documents.join.unwrap();
    let discovery = join.discovery.bootstrap_token.unwrap();
    assert_eq!(discovery.api_server_endpoint, "api.seed.internal:6443");
    assert_eq!(join.node_registration.kubelet_extra_args[0].value, "172.16.16.201");
    assert!(join.control_plane.is_none());
    assert_eq!(documents.kubelet.unwrap().fail_swap_on, Some(true));
}

#[test]
fn an_unknown_field_a_wrong_shape_and_an_old_version_are_refused() {
    let faults = [
        (JOIN.replace("caCertHashes", "caCertHash"), "unknown field"),
        (JOIN.replace("nodeRegistration:", "nodeName: x\nnodeRegistration:"), "unknown field"),
        (JOIN.replace("v1beta4", "v1beta3"), "is registered for version"),
        (JOIN.replace("JoinConfiguration", "Join"), "no kind \"Join\""),
        (
            JOIN.replace(
                "kubeletExtraArgs:\n    - name: \"node-ip\"\n      value:",
                "kubeletExtraArgs:\n    node-ip:",
            ),
            "strict decoding error",
        ),
        (format!("{JOIN}---\n{JOIN}"), "specified twice"),
    ];
    for (text, words) in faults {
        let error = parse(&text).unwrap_err();
        assert!(error.contains(words), "no «{words}» in {error}");
    }
}

#[test]
fn tokens_and_durations_have_kubernetes_form() {
    assert_eq!(token("abcdef.0123456789abcdef"), Ok(("abcdef", "0123456789abcdef")));
    for wrong in ["abcdef.0123456789abcde", "abcdef0123456789abcdef", "ABCDEF.0123456789abcdef", ""]
    {
        assert!(token(wrong).is_err(), "{wrong}");
    }
    assert_eq!(duration("24h0m0s").unwrap().as_secs(), 86_400);
    assert!(duration("a day").is_err());
}
