use std::fs;
use std::process::Command as Process;

use ring::rand::SystemRandom;
use time::OffsetDateTime;

use super::*;
use crate::addon::tests::{REGISTRY, keys, with};

#[test]
fn an_image_keeps_its_name_but_for_its_registry() {
    for (image, expected) in [
        ("docker.io/library/nginx:1.29", "nginx:1.29"),
        ("quay.io/a/b:v1", "a/b:v1"),
        ("quay.io/a/b:v1@sha256:0011223344556677", "a/b:v1"),
        ("quay.io/a/b@sha256:0011223344556677", "a/b:sha256-001122334455"),
    ] {
        assert_eq!(repository(image), expected);
    }
}

#[test]
fn a_certificate_is_for_its_address_and_for_a_time() {
    use crate::addon::keys::{Keys, certificate, is_current};
    let (random, now) = (SystemRandom::new(), OffsetDateTime::now_utc());
    let authority = Keys::authority(&random, now).expect("made");
    let address = "172.16.16.151".parse().expect("an address");
    let pair = certificate(&authority, address, &random, now).expect("made");
    assert!(is_current(&pair.public, address, now));
    assert!(!is_current(&pair.public, "172.16.16.152".parse().expect("an address"), now));
    assert!(!is_current(&pair.public, address, now + time::Duration::days(310)));
    assert!(!is_current("nothing", address, now));
}

/// What a real registry and a real containerd make of what they are told: of a pod's variables and
/// files, of the file that tells containerd, and of the steps that push and pull.
fn pushed_and_pulled(transport: &str) {
    let told =
        REGISTRY.replace("volume: images}", &format!("volume: images, transport: {transport}}}"));
    assert!(told.contains(transport), "{told}");
    let inventory = with(&told);
    let registry = inventory.addons.registry.as_ref().expect("it is wanted");
    let keys = keys(registry.address);
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path().display();
    let here = |text: &str| text.replace(paths::REGISTRY_HOSTS, &format!("{at}/certs.d"));
    let write = |path: String, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("made");
        fs::write(path, text).expect("written");
    };
    write("tls/tls.crt".to_owned(), &keys.registry.public);
    write("tls/tls.key".to_owned(), keys.registry.key.expose());
    write("auth/htpasswd".to_owned(), keys.htpasswd.expose());
    write(format!("certs.d/{}/ca.crt", host(registry)), &keys.authority.public);
    write(
        format!("certs.d/{}/hosts.toml", host(registry)),
        &here(hosts_toml(registry, &keys).expose()),
    );
    let environment = environment(registry).into_iter().map(|env| {
        let value = env.value.unwrap_or_default();
        let value = if value.starts_with('/') { format!("{at}{value}") } else { value };
        format!("{}={value}\n", env.name)
    });
    write("environment".to_owned(), &environment.collect::<String>());
    fs::create_dir_all(folder.path().join("mounted")).expect("made");
    let script = |step: &Step| {
        let Act::Run { command } = &step.act else { panic!("{step:?}") };
        here(&command.line())
    };
    let [_, tag, push] = &push(registry, "docker.io/library/sample:1")[..] else { panic!() };
    let own = format!("{}/sample:1", host(registry));
    let pull = &super::push(registry, &own)[0];
    let answers = asked(registry).probe.map(|look| here(&look.line())).expect("it looks first");
    let mut run = Process::new("unshare");
    run.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c"]);
    run.arg(include_str!("real.sh"));
    run.env("folder", folder.path()).env("address", registry.address.to_string());
    run.env("tag", script(tag)).env("push", script(push)).env("pull", script(pull));
    let output = run.env("answers", answers).output().expect("unshare");
    let log = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    let [said, errors] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    assert!(
        output.status.success() && said.ends_with("hello\n"),
        "{said}\n{errors}\n{}\n{}",
        log("registry.log"),
        log("containerd.log")
    );
}

#[test]
#[ignore = "needs root, containerd and a registry"]
fn a_real_registry_takes_what_a_real_containerd_pushes_over_tls_and_gives_it_back() {
    pushed_and_pulled("tls");
}

#[test]
#[ignore = "needs root, containerd and a registry"]
fn a_real_registry_speaks_plain_http_if_it_is_told_to() {
    pushed_and_pulled("plain-http");
}
