use super::*;

const HEALTHS: [Health; 2] = [Health::Up, Health::Down];
const ADMINS: [Admin; 3] = [Admin::Ready, Admin::Drain, Admin::Maint];

/// Every combination of what decides, against the sentence in the module's documentation.
#[test]
fn a_server_is_eligible_iff_up_ready_weighted_and_not_removed() {
    for health in HEALTHS {
        for admin in ADMINS {
            for weight in [0, 1, 256] {
                for removed in [false, true] {
                    for is_backup in [false, true] {
                        let config = Server { backup: is_backup, ..weighted("a", weight) };
                        let servers = vec![config, backup("z")];
                        let mut stand = Stand::new(backend(Balance::RoundRobin, servers));
                        let _ = stand.health("a", health);
                        let _ = stand.admin("a", admin);
                        if removed {
                            let rest = backend(Balance::RoundRobin, vec![backup("z")]);
                            let _ = stand.apply(rest);
                        }
                        let expected = match (health, admin, weight, removed, is_backup) {
                            (Health::Up, Admin::Ready, 1, false, false) => "a a",
                            (Health::Up, Admin::Ready, 1, false, true) => "a z",
                            (Health::Up, Admin::Ready, 256, false, _) => "a a",
                            (Health::Up | Health::Down, _, _, _, _) => "z z",
                        };
                        let case = (health, admin, weight, removed, is_backup);
                        assert_eq!(stand.opened(2), expected, "{case:?}");
                    }
                }
            }
        }
    }
}

/// From each state by each event: is it news, are sessions reset, is the queue woken (someone
/// waits for `b`, which is full).
#[test]
fn changes_of_health_and_admin_have_exactly_these_effects() {
    use Admin::{Drain, Maint, Ready};
    use Health::{Down, Up};

    #[derive(Debug, Clone, Copy)]
    enum Event {
        Health(Health),
        Admin(Admin),
    }
    // (state, event, changed, reset, woken)
    let table = [
        ((Up, Ready), Event::Health(Up), false, false, false),
        ((Up, Ready), Event::Health(Down), true, true, true),
        ((Up, Ready), Event::Admin(Ready), false, false, false),
        ((Up, Ready), Event::Admin(Drain), true, false, true),
        ((Up, Ready), Event::Admin(Maint), true, true, true),
        ((Up, Drain), Event::Health(Up), false, false, false),
        ((Up, Drain), Event::Health(Down), true, true, false),
        ((Up, Drain), Event::Admin(Ready), true, false, true),
        ((Up, Drain), Event::Admin(Drain), false, false, false),
        ((Up, Drain), Event::Admin(Maint), true, true, false),
        ((Up, Maint), Event::Health(Up), false, false, false),
        ((Up, Maint), Event::Health(Down), true, false, false),
        ((Up, Maint), Event::Admin(Ready), true, false, true),
        ((Up, Maint), Event::Admin(Drain), true, false, false),
        ((Up, Maint), Event::Admin(Maint), false, false, false),
        ((Down, Ready), Event::Health(Up), true, false, true),
        ((Down, Ready), Event::Health(Down), false, false, false),
        ((Down, Ready), Event::Admin(Ready), false, false, false),
        ((Down, Ready), Event::Admin(Drain), true, false, false),
        ((Down, Ready), Event::Admin(Maint), true, true, false),
        ((Down, Drain), Event::Health(Up), true, false, false),
        ((Down, Drain), Event::Health(Down), false, false, false),
        ((Down, Drain), Event::Admin(Ready), true, false, false),
        ((Down, Drain), Event::Admin(Drain), false, false, false),
        ((Down, Drain), Event::Admin(Maint), true, true, false),
        ((Down, Maint), Event::Health(Up), true, false, false),
        ((Down, Maint), Event::Health(Down), false, false, false),
        ((Down, Maint), Event::Admin(Ready), true, false, false),
        ((Down, Maint), Event::Admin(Drain), true, false, false),
        ((Down, Maint), Event::Admin(Maint), false, false, false),
    ];
    assert_eq!(table.len(), HEALTHS.len() * ADMINS.len() * (HEALTHS.len() + ADMINS.len()));
    for ((health, admin), event, changed, reset_sessions, wake_queue) in table {
        for on_down in [OnDown::Reset { spread: SECOND }, OnDown::Keep] {
            let servers = vec![limited("a", 1), limited("b", 1)];
            let mut stand =
                Stand::new(Backend { on_down, ..backend(Balance::RoundRobin, servers) });
            stand.opened(2);
            let _ = stand.health("a", health);
            let _ = stand.admin("a", admin);
            stand.wait(1, client(1)).unwrap();
            let effect = match event {
                Event::Health(to) => stand.health("a", to),
                Event::Admin(to) => stand.admin("a", to),
            };
            let reset_sessions = reset_sessions && on_down != OnDown::Keep;
            let expected = Effect { changed, reset_sessions, wake_queue };
            assert_eq!(effect, expected, "{health:?} {admin:?} {event:?} {on_down:?}");
        }
    }
}

#[test]
fn a_verdict_on_a_server_that_is_gone_changes_nothing() {
    let mut stand = Stand::new(backend(Balance::RoundRobin, vec![server("a"), server("b")]));
    let b = stand.key("b");
    let _ = stand.apply(backend(Balance::RoundRobin, vec![server("a")]));
    stand.pool.forget(b);
    assert_eq!(stand.pool.set_health(b, Health::Down, stand.now), Effect::default());
    assert_eq!(stand.pool.set_admin(b, Admin::Maint, stand.now), Effect::default());
    assert_eq!(stand.pool.set_weight(b, None, stand.now), Effect::default());
    assert_eq!(stand.pool.server(b), None);
}

#[test]
fn a_removed_server_that_goes_down_still_has_its_sessions_reset() {
    let mut stand = Stand::new(backend(Balance::RoundRobin, vec![server("a"), server("b")]));
    let b = stand.key("b");
    let _ = stand.apply(backend(Balance::RoundRobin, vec![server("a")]));
    let effect = stand.pool.set_health(b, Health::Down, stand.now);
    assert_eq!(effect, Effect { changed: true, reset_sessions: true, wake_queue: false });
}
