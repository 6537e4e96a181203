use super::*;
use crate::status::samples;

fn scene(sample: &samples::Sample) -> Scene {
    let answered = [("kmaster1", 104), ("kmaster2", 70), ("kmaster3", 104)];
    Scene {
        why: None,
        elapsed: Duration::from_millis(28_900),
        frontend: "127.101.102.103:6443".parse().unwrap(),
        http: "127.101.102.103:40404".parse().unwrap(),
        socket: PathBuf::from("/tmp/halb-demo-AbCdEf/admin.sock"),
        status: sample.status(),
        answers: Answers {
            by_server: answered.map(|(name, number)| (name.to_owned(), number)).into(),
            failed: 0,
            took: Duration::from_millis(3),
            last_failure: None,
        },
    }
}

/// The picture without the lines to try, which hold the name of the program that runs.
fn picture_of(sample: &samples::Sample) -> String {
    let picture = picture(&scene(sample), true);
    picture.split("    curl").next().unwrap().to_owned()
}

#[test]
fn a_picture_of_one_server_down() {
    insta::assert_snapshot!(picture_of(&samples::one_down()));
}

#[test]
fn a_picture_fits_into_80_by_24_whatever_happens() {
    for sample in [samples::all_fine(), samples::one_down(), samples::all_down()] {
        let mut scene = scene(&sample);
        scene.why = Some(crate::demo::DENIED);
        scene.answers.failed = 1;
        scene.answers.last_failure = Some("x".repeat(200));
        let picture = picture(&scene, true);
        assert!(picture.lines().count() <= 24, "{picture}");
        let own = picture.lines().filter(|line| !line.contains("--socket"));
        for line in own {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
    }
}

#[test]
fn a_line_says_states_and_figures() {
    assert_eq!(
        line(&scene(&samples::one_down())),
        "28 s: kmaster1 UP, kmaster2 DOWN, kmaster3 UP; 278 requests, none failed, the last took 3 ms\n"
    );
}

#[test]
fn the_last_words_sum_up() {
    let mut scene = scene(&samples::all_fine());
    scene.answers.failed = 2;
    scene.answers.last_failure = Some("reset".to_owned());
    assert_eq!(
        farewell(&scene.answers),
        "demo ended: 280 requests, 2 failed (last: reset), the last took 3 ms \
         (kmaster1 104, kmaster2 70, kmaster3 104)\n"
    );
}
