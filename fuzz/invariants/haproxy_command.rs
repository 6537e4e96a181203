//! What must hold for the runtime socket whatever its clients send.

use halb_haproxy_api::conversation::{Answer, Conversation, Level, Order};
use halb_haproxy_api::picture::{Admin, Backend, Frontend, Past, Picture, Proxy, Server};
use halb_haproxy_api::words::WORDS_MAX;

/// Most bytes of an answer about a picture this small.
const ANSWER_LEN_MAX: usize = 100_000;

/// Panics if a promise of the runtime socket is broken for `input`.
pub(crate) fn check(input: &[u8]) {
    let picture = picture();
    for level in [Level::User, Level::Operator, Level::Admin] {
        let mut conversation = Conversation::new(level);
        for line in String::from_utf8_lossy(input).lines() {
            let commands = conversation.hear(line);
            for words in commands {
                assert!(words.len() <= WORDS_MAX);
                assert!(words.iter().all(|word| !word.is_empty()), "{words:?}");
                match conversation.answer(&words, &picture) {
                    Answer::Text(text) => assert!(text.len() <= ANSWER_LEN_MAX, "{words:?}"),
                    Answer::Order(order) => allowed(&order, level),
                    Answer::Leave => assert_eq!(words[0], "quit"),
                }
            }
        }
    }
}

/// Orders are given by those who may, about servers that there are.
fn allowed(order: &Order, level: Level) {
    let changes = match order {
        Order::Admin { backend, server, .. }
        | Order::Weight { backend, server, .. }
        | Order::EndSessions { backend, server } => {
            assert_eq!((backend.as_str(), server.as_str()), ("masters", "kmaster1"));
            true
        }
        Order::EndSession(_) => true,
        Order::ListSessions | Order::ClearMaxima => false,
    };
    assert!(level > Level::User && (!changes || level == Level::Admin), "{level:?}: {order:?}");
    if let Order::Weight { weight, .. } = order {
        assert!(*weight <= 256, "{weight}");
    }
}

fn picture() -> Picture {
    let server = Server {
        name: "kmaster1".to_owned(),
        address: ([172, 16, 16, 101], 6443).into(),
        admin: Admin::Ready,
        up: true,
        check: None,
        weight: 256,
        weight_configured: 256,
        throttle_percent: 100,
        backup: false,
        sessions: 1,
        sessions_limit: None,
        established: 1,
        connect_errors: 0,
        bytes_in: 0,
        bytes_out: 0,
        past: Past::default(),
    };
    let backend = Backend { servers: vec![server], ..Backend::default() };
    let proxy = |name: &str, frontend, backend| Proxy { name: name.to_owned(), frontend, backend };
    Picture {
        proxies: vec![
            proxy("kubernetes", Some(Frontend::default()), None),
            proxy("masters", None, Some(backend)),
        ],
        ..Picture::default()
    }
}
