use super::*;
use crate::samples::picture;

fn backend(picture: &mut Picture) -> &mut crate::picture::Backend {
    picture.proxies[1].backend.as_mut().unwrap()
}

#[test]
fn rates_and_highest_values_are_those_of_the_looks() {
    let (mut history, start) = (History::default(), Instant::now());
    let mut first = picture();
    history.look(&mut first, start);
    let mut second = picture();
    let frontend = second.proxies[0].frontend.as_mut().unwrap();
    (frontend.connections_total, frontend.sessions) = (17, 9);
    second.process.processor_milliseconds = 1000;
    history.look(&mut second, start + Duration::from_secs(1));
    let past = second.proxies[0].frontend.as_ref().unwrap().past;
    assert_eq!((past.rate, past.rate_max, past.sessions_max), (10, 10, 9));
    assert_eq!((second.process.rate, second.process.idle_percent), (10, 50));
    let mut third = picture();
    third.proxies[0].frontend.as_mut().unwrap().connections_total = 17;
    history.look(&mut third, start + Duration::from_secs(2));
    let past = third.proxies[0].frontend.as_ref().unwrap().past;
    assert_eq!((past.rate, past.rate_max, past.sessions_max), (0, 10, 9));
    assert_eq!(past.idle_seconds, Some(1));
    history.clear_maxima();
    let mut fourth = picture();
    history.look(&mut fourth, start + Duration::from_secs(3));
    let past = fourth.proxies[0].frontend.as_ref().unwrap().past;
    assert_eq!((past.rate_max, past.sessions_max), (0, 0));
}

#[test]
fn time_spent_down_is_summed_up_and_the_last_change_dated() {
    let (mut history, start) = (History::default(), Instant::now());
    let look = |history: &mut History, up: bool, after: u64| {
        let mut picture = picture();
        picture.process.uptime_seconds = 0.0;
        backend(&mut picture).servers[0].up = up;
        if !up {
            backend(&mut picture).servers[0].check.as_mut().unwrap().health = 0;
        }
        history.look(&mut picture, start + Duration::from_secs(after));
        backend(&mut picture).servers[0].past
    };
    look(&mut history, true, 0);
    assert_eq!(look(&mut history, true, 5).changed_seconds, 5);
    assert_eq!(look(&mut history, false, 6).changed_seconds, 0);
    look(&mut history, false, 9);
    let back = look(&mut history, true, 10);
    assert_eq!((back.down_seconds, back.downs, back.changed_seconds), (4, 1, 0));
    assert_eq!(look(&mut history, true, 20).down_seconds, 4);
}

#[test]
fn ended_connections_are_counted_by_who_broke_them_off() {
    let (mut history, now) = (History::default(), Instant::now());
    let ended = Ended {
        backend: "masters",
        server: Some("kmaster1"),
        aborted: Some(Side::Client),
        queue: Duration::ZERO,
        connect: Some(Duration::from_millis(2)),
        total: Duration::from_millis(100),
        retries: 2,
        redispatched: true,
    };
    history.ended(&ended);
    let mut looked = picture();
    history.look(&mut looked, now);
    assert_eq!(backend(&mut looked).past.client_aborts, 0, "nothing was known of it yet");
    history.ended(&ended);
    history.ended(&Ended { aborted: None, total: Duration::from_millis(300), ..ended });
    history.look(&mut looked, now);
    for past in [backend(&mut looked).past, backend(&mut looked).servers[0].past] {
        assert_eq!((past.client_aborts, past.server_aborts), (1, 0));
        assert_eq!((past.retries, past.redispatches), (2, 2));
        assert!((past.total_time.average_ms - 200.0).abs() < 0.001);
        assert_eq!(past.total_time.longest_ms, 300);
    }
}

#[test]
fn what_a_picture_no_longer_holds_is_forgotten() {
    let (mut history, now) = (History::default(), Instant::now());
    history.look(&mut picture(), now);
    let mut less = picture();
    less.proxies.truncate(2);
    backend(&mut less).servers.truncate(1);
    history.look(&mut less, now);
    assert_eq!(history.proxies.len(), 2);
    assert_eq!(history.proxies["masters"].servers.len(), 1);
}
