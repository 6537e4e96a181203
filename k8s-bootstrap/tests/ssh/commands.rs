//! One command: as root, fed, listened to, ended in time.

use std::fs;
use std::time::Duration;

use halb_k8s_bootstrap::driver::access::Asked;
use halb_k8s_bootstrap::driver::host::{Host, HostError};
use halb_k8s_bootstrap::driver::run::{Exit, Input, Job, Output, RunError};
use halb_k8s_bootstrap::driver::target::Target;
use halb_k8s_bootstrap::inventory::Sudo;

use crate::operator::Operator;
use crate::server::Server;

const LIMIT: Duration = Duration::from_secs(60);

async fn run(host: &Host, job: &Job) -> Result<Output, HostError> {
    host.run(job, &mut |_| {}).await
}

fn with_sudo(operator: &Operator, server: &Server, sudo: Sudo) -> Host {
    let target = Target { sudo, ..operator.target("lb", server.address) };
    Host::new(target, operator.shared())
}

fn asked() -> Asked {
    Asked::SudoPassword("root".to_owned())
}

#[tokio::test]
async fn streams_and_exit_code_come_apart_and_whole() {
    let operator = Operator::new();
    let server = Server::start(operator.key.public_key()).await;
    let host = operator.host(&server);
    let script = "printf 'out\\n'; printf 'err\\n' >&2; cat; exit 7";
    let input: String = "line of input\n".repeat(20_000);
    let job = Job::root(script, LIMIT).reading(Input::from(input.as_str()));
    let mut heard = Vec::new();
    let output = host.run(&job, &mut |bytes| heard.extend_from_slice(bytes)).await.unwrap();
    assert_eq!(output.exit, Exit::Code(7));
    assert_eq!(output.text(), format!("out\n{input}"));
    assert_eq!(output.stderr, b"err\n");
    assert_eq!(heard.len(), output.stdout.len() + output.stderr.len());
}

#[tokio::test]
async fn any_script_and_any_input_arrive_as_they_are() {
    let operator = Operator::new();
    let server = Server::start(operator.key.public_key()).await;
    let host = operator.host(&server);
    let script = "# it's \"quoted\" \\ back`slashed` $HOME !bang é\nset -eu\n\
                  word='a'\\''b'\nprintf '%s|' \"$word\" \"$LC_ALL\"\ncat";
    let job = Job::root(script, LIMIT).reading(Input::from("\0 binary \u{7f}\r\n"));
    let output = run(&host, &job).await.unwrap();
    assert_eq!(output.text(), "a'b|C|\0 binary \u{7f}\r\n", "{}", output.text());
    assert!(output.stderr.is_empty());
}

#[tokio::test]
async fn what_a_login_shell_prints_is_nobodys_output() {
    let operator = Operator::new();
    let server = Server::start(operator.key.public_key()).await;
    server.greet_with("echo Welcome; echo 'no mail' >&2; ");
    let output = run(&operator.host(&server), &Job::root("echo root", LIMIT)).await.unwrap();
    assert_eq!((output.text().as_str(), output.stderr.as_slice()), ("root\n", &b""[..]));
}

#[tokio::test]
async fn a_login_that_is_switched_off_says_what_it_said() {
    let operator = Operator::new();
    let server = Server::start(operator.key.public_key()).await;
    server.greet_with("echo This account is currently not available.; exit 1; ");
    let error = run(&operator.host(&server), &Job::root("true", LIMIT)).await.unwrap_err();
    let HostError::Run(RunError::NotBegun { said }) = error else { panic!("{error}") };
    assert_eq!(said, "This account is currently not available.");
}

#[tokio::test]
async fn sudo_without_a_password_asks_nobody() {
    let operator = Operator::new();
    let server = Server::start(operator.key.public_key()).await;
    let host = with_sudo(&operator, &server, Sudo::Passwordless);
    let job = Job::root("echo \"$HALB_SUDO\"; cat", LIMIT).reading(Input::from("input"));
    assert_eq!(run(&host, &job).await.unwrap().text(), "1\ninput");
    assert!(operator.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn sudo_gets_its_password_and_the_script_its_input() {
    let mut operator = Operator::new();
    operator.knows(asked(), "tr0ub4dor");
    let server = Server::start(operator.key.public_key()).await;
    fs::write(server.path("/srv/sudo-password"), "tr0ub4dor").unwrap();
    let host = with_sudo(&operator, &server, Sudo::Password);
    for _ in 0..2 {
        let job = Job::root("echo \"$HALB_SUDO\"; cat", LIMIT).reading(Input::from("input"));
        assert_eq!(run(&host, &job).await.unwrap().text(), "1\ninput");
    }
    assert_eq!(*operator.asked.lock().unwrap(), [asked()]);
}

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    let mut operator = Operator::new();
    operator.knows(asked(), "wrong");
    let server = Server::start(operator.key.public_key()).await;
    fs::write(server.path("/srv/sudo-password"), "tr0ub4dor").unwrap();
    let host = with_sudo(&operator, &server, Sudo::Password);
    let error = run(&host, &Job::root("echo done >/srv/done", LIMIT)).await.unwrap_err();
    assert!(matches!(error, HostError::Run(RunError::WrongPassword { .. })), "{error}");
    assert_eq!(server.read("/srv/sudo-tries"), "tried\n");
    assert_eq!(server.read("/srv/done"), "");
}

#[tokio::test]
async fn a_password_that_nobody_has_is_asked_for_where_the_inventory_says_so() {
    let operator = Operator::new();
    let server = Server::start(operator.key.public_key()).await;
    fs::write(server.path("/srv/sudo-password"), "tr0ub4dor").unwrap();
    for (sudo, words) in [
        (Sudo::Passwordless, "say `sudo: password` in the inventory"),
        (Sudo::Password, "nobody is there to give it"),
    ] {
        let host = with_sudo(&operator, &server, sudo);
        let error = run(&host, &Job::root("true", LIMIT)).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(server.read("/srv/sudo-tries"), "");
}

#[tokio::test]
async fn who_may_not_become_root_reads_what_sudo_says() {
    let operator = Operator::new();
    let server = Server::start(operator.key.public_key()).await;
    fs::write(server.path("/srv/not-in-sudoers"), "").unwrap();
    let host = with_sudo(&operator, &server, Sudo::Passwordless);
    let error = run(&host, &Job::root("true", LIMIT)).await.unwrap_err().to_string();
    assert_eq!(error, "root can't become root by sudo: user is not in the sudoers file.");
}

#[tokio::test]
async fn what_takes_too_long_is_ended_on_the_host() {
    let operator = Operator::new();
    let server = Server::start(operator.key.public_key()).await;
    let host = operator.host(&server);
    let script = "exec 9>/srv/held; flock 9; echo held >&9; while :; do sleep 0.1; done";
    let error = run(&host, &Job::root(script, Duration::from_secs(1))).await.unwrap_err();
    assert!(matches!(error, HostError::Run(RunError::TimedOut { .. })), "{error}");
    assert_eq!(server.read("/srv/held"), "held\n");
    let freed = Job::root("flock -w 30 /srv/held echo free", LIMIT);
    assert_eq!(run(&host, &freed).await.unwrap().text(), "free\n");
}

#[tokio::test]
async fn a_command_whose_connection_goes_is_lost_and_not_failed() {
    let operator = Operator::new();
    let server = Server::start(operator.key.public_key()).await;
    server.cut_after(1);
    let error = run(&operator.host(&server), &Job::root("sleep 60", LIMIT)).await.unwrap_err();
    assert!(error.may_pass(), "{error}");
    assert!(matches!(error, HostError::Run(RunError::Lost(_))), "{error}");
}
