use super::*;

/// A small report of three contenders.
pub(crate) fn example() -> Report {
    let all = |values: [f64; 3]| values.map(Some).to_vec();
    let row =
        |scenario, metric, samples| Row::new(scenario, format!("{scenario:?}"), metric, samples);
    let line = |slow: f64| {
        let point = |share: &f64| (*share, slow * 1e-4 / (1.0 - share).sqrt());
        shares(10_000).iter().map(point).collect()
    };
    Report {
        names: vec!["halb", "haproxy", "direct"],
        versions: vec!["0.1.0".to_owned(), "2.6.12".to_owned(), String::new()],
        place: "loopback".to_owned(),
        machine: "2 cores, Linux 6.18".to_owned(),
        rounds: 3,
        measured: Duration::from_secs(1),
        rows: vec![
            row(
                Scenario::Idle,
                Metric::IdleMemory,
                vec![all([700.0; 3]), all([3300.0, 3200.0, 3400.0]), vec![None; 3]],
            ),
            row(
                Scenario::Requests,
                Metric::RequestCpu,
                vec![all([14e-6, 13e-6, 16e-6]), all([18e-6, 18.57e-6, 20e-6]), vec![None; 3]],
            ),
            row(
                Scenario::Requests,
                Metric::RequestRate,
                vec![all([22e3; 3]), all([20e3; 3]), all([60e3; 3])],
            ),
        ],
        curves: vec![Curve {
            load: "5000 requests a second".to_owned(),
            lines: vec![line(1.0), line(1.4), line(0.6)],
        }],
        notes: vec!["envoy isn't installed and was left out: see there".to_owned()],
    }
}

#[test]
fn json_tells_what_the_table_tells_and_every_sample() {
    let json: serde_json::Value = serde_json::from_str(&example().json().unwrap()).unwrap();
    assert_eq!(json["names"][1], "haproxy");
    let row = &json["rows"][1];
    assert_eq!((&row["metric"], &row["unit"]), (&"cpu_per_request".into(), &"seconds".into()));
    assert_eq!(row["cells"][0]["samples"].as_array().unwrap().len(), 3);
    let ratio = row["cells"][1]["ratio"]["max"].as_f64().unwrap();
    assert!((0.799..0.801).contains(&ratio), "{ratio}");
    assert!(row["cells"][2]["summary"].is_null());
}

#[test]
fn goals_are_judged_by_the_median_ratio_to_haproxy() {
    let verdicts = example().verdicts();
    let found: Vec<_> =
        verdicts.iter().map(|verdict| (verdict.metric, verdict.is_reached)).collect();
    assert_eq!(found, [(Metric::RequestCpu, true), (Metric::IdleMemory, true)]);
    let mut without = example();
    without.names[1] = "nginx";
    assert!(without.verdicts().is_empty());
}

#[test]
fn a_latency_is_drawn_no_closer_to_all_than_the_requests_allow() {
    let of_a_hundred = shares(100);
    assert!(of_a_hundred.last().unwrap() <= &0.99, "{of_a_hundred:?}");
    assert!(shares(1_000_000).last().unwrap() > &0.9999);
    assert!(of_a_hundred.is_sorted());
}
