use rcgen::{CertificateParams, KeyPair};
use time::{Duration, OffsetDateTime};

use super::*;
use crate::inventory::{example, parse};
use crate::verify::View;

const NOW: i64 = 1_800_000_000;

/// A certificate with so much left, as a host tells it.
fn lasting(left: Duration) -> Certificate {
    let mut params = CertificateParams::default();
    let now = OffsetDateTime::from_unix_timestamp(NOW).expect("in range");
    (params.not_before, params.not_after) = (now - Duration::days(400), now + left);
    let key = KeyPair::generate().expect("a key");
    let pem = params.self_signed(&key).expect("signed").pem();
    Certificate(pem.lines().filter(|line| !line.starts_with('-')).collect())
}

fn seen(certificates: &[(&str, &str, Certificate)]) -> Vec<Standing> {
    let inventory = parse(example::HIGHLY_AVAILABLE).expect("good").inventory;
    let mut views = Views::new();
    for (host, path, certificate) in certificates {
        let view: &mut View = views.entry((*host).to_owned()).or_default();
        view.certificates.insert((*path).to_owned(), certificate.clone());
    }
    let own = lasting(Duration::days(3));
    status(&inventory, &views, Some(("/home/alice/.kube/config", &own)), NOW)
}

#[test]
fn what_is_unusual_comes_first_and_says_what_to_do() {
    let all = seen(&[
        ("kmaster01", "/etc/kubernetes/pki/ca.crt", lasting(Duration::days(3000))),
        ("kmaster01", "/etc/kubernetes/pki/apiserver.crt", lasting(Duration::days(-2))),
        ("kmaster02", "/etc/kubernetes/pki/apiserver.crt", lasting(Duration::days(200))),
        ("kmaster02", "/etc/kubernetes/scheduler.conf", Certificate("what is this".to_owned())),
        (
            "kworker01",
            "/var/lib/kubelet/pki/kubelet-client-current.pem",
            lasting(Duration::days(9)),
        ),
    ]);
    let told: Vec<_> =
        all.iter().map(|one| (one.host.as_str(), one.kind, one.days_left, one.verdict)).collect();
    assert_eq!(
        told,
        [
            ("kmaster01", Kind::Kubeadm, Some(-2), Verdict::Bad),
            (OPERATOR, Kind::Operator, Some(3), Verdict::Bad),
            ("kworker01", Kind::Kubelet, Some(9), Verdict::Bad),
            ("kmaster02", Kind::Kubeadm, None, Verdict::Unproven),
            ("kmaster02", Kind::Kubeadm, Some(200), Verdict::Good),
            ("kmaster01", Kind::Authority, Some(3000), Verdict::Good),
        ]
    );
    assert_eq!(all[0].remedy, Some("halb k8s certs renew"));
    assert!(all[2].remedy.is_some_and(|remedy| remedy.contains("journalctl -u kubelet")));
    assert_eq!((all[4].remedy, verdict(&all)), (None, Verdict::Bad));
}

#[test]
fn nothing_seen_is_nothing_proven() {
    assert_eq!(verdict(&[]), Verdict::Unproven);
}

#[test]
fn a_renewal_that_left_one_as_it_was_is_found_out() {
    let path = "/etc/kubernetes/pki/apiserver.crt";
    let authority = ("kmaster01", "/etc/kubernetes/pki/ca.crt", lasting(Duration::days(3000)));
    let of = |host, days| (host, path, lasting(Duration::days(days)));
    let before = seen(&[of("kmaster01", 5), of("kmaster02", 5), authority.clone()]);
    let after = seen(&[of("kmaster01", 365), of("kmaster02", 5), authority]);
    assert_eq!(
        not_renewed(&before, &after),
        [(OPERATOR, "/home/alice/.kube/config"), ("kmaster02", path)]
    );
}
