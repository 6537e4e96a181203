//! The half-close matrix: who ends what, when, with what still on its way, and what each end sees.
//!
//! Each row is played with the client and with the server as `Near`, by copying, by splicing, and
//! by splicing without a free pipe, and with edges that tell little or much.

use Act::{Closes, Fin, Room, Rst, Run, Says};
use Who::{Far, Near};

use super::rig::{Conditions, PIPE_MAX, Rig};
use super::socket::{OPEN, Seen};
use crate::session::relay::CHUNK;
use crate::session::{Ending, Side};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Near,
    Far,
}

/// What the two peers do, in order, and when halb gets to run.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Sends so many bytes.
    Says(Who, usize),
    /// Shuts down for writing.
    Fin(Who),
    /// Closes its socket: FIN, then a reset for each byte that still reaches it.
    Closes(Who),
    /// Resets.
    Rst(Who),
    /// Has room for so many more bytes, then none.
    Room(Who, usize),
    /// halb runs until it waits.
    Run,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Finished,
    Reset(Who),
}

struct Row {
    name: &'static str,
    acts: &'static [Act],
    /// What the far and the near peer see: bytes, FIN, RST; a bar for each time halb ran.
    far: &'static str,
    near: &'static str,
    end: End,
}

const MATRIX: &[Row] = &[
    Row {
        name: "a FIN alone leaves the other direction open",
        acts: &[Fin(Near), Run],
        far: "FIN",
        near: "",
        end: End::Open,
    },
    Row {
        name: "FIN after a question, then the answer and its FIN",
        acts: &[Says(Near, 100), Fin(Near), Run, Says(Far, 50), Run, Fin(Far), Run],
        far: "100 FIN | |",
        near: "| 50 | FIN",
        end: End::Finished,
    },
    Row {
        name: "FIN long after the last byte",
        acts: &[Says(Near, 100), Run, Fin(Near), Run],
        far: "100 | FIN",
        near: "|",
        end: End::Open,
    },
    Row {
        name: "both send FIN at once",
        acts: &[Says(Near, 100), Says(Far, 50), Fin(Near), Fin(Far), Run],
        far: "100 FIN",
        near: "50 FIN",
        end: End::Finished,
    },
    Row {
        name: "FIN needs no room",
        acts: &[Room(Far, 0), Fin(Near), Run],
        far: "FIN",
        near: "",
        end: End::Open,
    },
    Row {
        name: "FIN with held bytes waits for them",
        acts: &[Room(Far, 30), Says(Near, 100), Fin(Near), Run, Room(Far, OPEN), Run],
        far: "30 | 70 FIN",
        near: "|",
        end: End::Open,
    },
    Row {
        name: "FIN with bytes held and more unread behind them",
        acts: &[
            Room(Far, 30),
            Says(Near, 100),
            Run,
            Says(Near, 100),
            Fin(Near),
            Run,
            Room(Far, 90),
            Run,
            Room(Far, OPEN),
            Run,
        ],
        far: "30 | | 90 | 80 FIN",
        near: "| | |",
        end: End::Open,
    },
    Row {
        name: "held bytes of one direction don't stop the other",
        acts: &[Room(Far, 0), Says(Near, 100), Run, Says(Far, 50), Fin(Far), Run],
        far: "|",
        near: "| 50 FIN",
        end: End::Open,
    },
    Row {
        name: "both directions stuck, both with FIN behind, freed one after the other",
        acts: &[
            Room(Far, 0),
            Room(Near, 0),
            Says(Near, 100),
            Says(Far, 50),
            Fin(Near),
            Fin(Far),
            Run,
            Room(Far, OPEN),
            Run,
            Room(Near, OPEN),
            Run,
        ],
        far: "| 100 FIN |",
        near: "| | 50 FIN",
        end: End::Finished,
    },
    Row {
        name: "RST of an idle connection",
        acts: &[Rst(Near), Run],
        far: "RST",
        near: "",
        end: End::Reset(Near),
    },
    Row {
        name: "RST right behind bytes: they arrive, then the reset",
        acts: &[Says(Near, 100), Rst(Near), Run],
        far: "100 RST",
        near: "",
        end: End::Reset(Near),
    },
    Row {
        name: "RST with held bytes: they still go out, no FIN is made of it",
        acts: &[Room(Far, 30), Says(Near, 100), Run, Rst(Near), Run, Room(Far, OPEN), Run],
        far: "30 | | 70 RST",
        near: "| |",
        end: End::Reset(Near),
    },
    Row {
        name: "RST makes bytes for the one who sent it moot",
        acts: &[Room(Near, 30), Says(Far, 100), Run, Rst(Near), Run],
        far: "| RST",
        near: "30 |",
        end: End::Reset(Near),
    },
    Row {
        name: "RST after FIN is noticed though nobody writes",
        acts: &[Fin(Near), Run, Rst(Near), Run],
        far: "FIN | RST",
        near: "|",
        end: End::Reset(Near),
    },
    Row {
        name: "RST after FIN, with the FIN still unread: the end was whole",
        acts: &[Says(Near, 100), Fin(Near), Rst(Near), Run],
        far: "100 FIN RST",
        near: "",
        end: End::Reset(Near),
    },
    Row {
        name: "RST after FIN with held bytes: all of it, then FIN",
        acts: &[
            Room(Far, 30),
            Says(Near, 100),
            Fin(Near),
            Run,
            Rst(Near),
            Run,
            Room(Far, OPEN),
            Run,
        ],
        far: "30 | | 70 FIN RST",
        near: "| |",
        end: End::Reset(Near),
    },
    Row {
        name: "RST of the open half",
        acts: &[Fin(Near), Run, Says(Far, 50), Rst(Far), Run],
        far: "FIN |",
        near: "| 50 RST",
        end: End::Reset(Far),
    },
    Row {
        name: "a write meets the reset before a read does: last words arrive, no FIN",
        acts: &[Says(Far, 10), Run, Says(Near, 100), Rst(Near), Says(Far, 10), Run],
        far: "| 100 RST",
        near: "10 |",
        end: End::Reset(Near),
    },
    Row {
        name: "the same with more last words than there is room for",
        acts: &[
            Room(Far, 30),
            Says(Near, 100),
            Rst(Near),
            Says(Far, 10),
            Run,
            Room(Far, OPEN),
            Run,
        ],
        far: "30 | 70 RST",
        near: "|",
        end: End::Reset(Near),
    },
    Row {
        name: "EPIPE while last words and their FIN are unread: a whole answer",
        acts: &[Says(Near, 100), Fin(Near), Rst(Near), Says(Far, 10), Run],
        far: "100 FIN RST",
        near: "",
        end: End::Reset(Near),
    },
    Row {
        name: "EPIPE with last words held, then the FIN that was behind them",
        acts: &[
            Room(Far, 30),
            Says(Near, 100),
            Run,
            Fin(Near),
            Rst(Near),
            Says(Far, 10),
            Run,
            Room(Far, OPEN),
            Run,
        ],
        far: "30 | | 70 FIN RST",
        near: "| |",
        end: End::Reset(Near),
    },
    Row {
        name: "answers and closes while the other still sends: the answer is whole",
        acts: &[Says(Far, 10), Run, Says(Near, 100), Closes(Near), Says(Far, 10), Run],
        far: "| 100 FIN RST",
        near: "10 |",
        end: End::Reset(Near),
    },
    Row {
        name: "answers and closes, and the other goes on sending only later",
        acts: &[Says(Near, 100), Closes(Near), Run, Says(Far, 10), Run],
        far: "100 FIN | RST",
        near: "|",
        end: End::Reset(Near),
    },
    Row {
        name: "answers and closes, and the other is content with it",
        acts: &[Says(Near, 100), Closes(Near), Run, Fin(Far), Run],
        far: "100 FIN |",
        near: "| FIN",
        end: End::Finished,
    },
    Row {
        name: "answers more than there is room for and closes while the other still sends",
        acts: &[
            Room(Far, 30),
            Says(Near, 100),
            Closes(Near),
            Says(Far, 10),
            Run,
            Says(Far, 10),
            Run,
            Room(Far, OPEN),
            Run,
        ],
        far: "30 | | 70 FIN RST",
        near: "| |",
        end: End::Reset(Near),
    },
    Row {
        name: "the reader of last words resets before the reset behind them was met",
        acts: &[Room(Far, 30), Says(Near, 100), Rst(Near), Run, Rst(Far), Run],
        far: "30 |",
        near: "|",
        end: End::Reset(Far),
    },
    Row {
        name: "the reader of last words resets after a write met the first reset",
        acts: &[
            Room(Far, 30),
            Says(Near, 100),
            Rst(Near),
            Says(Far, 10),
            Run,
            Rst(Far),
            Room(Far, OPEN),
            Run,
        ],
        far: "30 |",
        near: "|",
        end: End::Reset(Near),
    },
];

#[derive(Debug, Clone, Copy)]
enum Mode {
    Copy,
    Splice,
    NoPipe,
}

#[test]
fn each_end_sees_what_the_other_did_and_in_its_order() {
    let mut failures = Vec::new();
    for row in MATRIX {
        for near in [Side::Client, Side::Server] {
            for mode in [Mode::Copy, Mode::Splice, Mode::NoPipe] {
                for full_edges in [false, true] {
                    let got = play(row, near, mode, full_edges);
                    let expected = (row.far.to_owned(), row.near.to_owned(), row.end);
                    if got != expected {
                        failures.push(format!(
                            "{}\n  near is the {near:?}, {mode:?}, full edges {full_edges}\n  \
                             expected {expected:?}\n  got      {got:?}",
                            row.name
                        ));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn no_row_of_the_matrix_stands_twice() {
    for (index, row) in MATRIX.iter().enumerate() {
        assert!(MATRIX[..index].iter().all(|other| other.name != row.name), "{}", row.name);
    }
}

fn play(row: &Row, near: Side, mode: Mode, full_edges: bool) -> (String, String, End) {
    let mut rig = rig_in(mode, full_edges);
    let side = |who| match who {
        Near => near,
        Far => near.other(),
    };
    let (mut far_story, mut near_story) = (Vec::new(), Vec::new());
    let spliced_before = rig.splices;
    for act in row.acts {
        match *act {
            Says(who, count) => rig.socket(side(who)).says(count),
            Fin(who) => rig.socket(side(who)).fin(),
            Closes(who) => rig.socket(side(who)).close(),
            Rst(who) => rig.socket(side(who)).rst(),
            Room(who, room) => rig.socket(side(who)).set_room(room),
            Run => {
                rig.run();
                far_story.push(tell(&mut rig, side(Far)));
                near_story.push(tell(&mut rig, side(Near)));
            }
        }
    }
    let spliced = rig.splices > spliced_before;
    assert!(matches!(mode, Mode::Splice) || !spliced);
    assert!(
        spliced
            || !matches!(mode, Mode::Splice)
            || !row.acts.iter().any(|act| matches!(act, Says(..)))
    );
    let end = match rig.ending {
        None => End::Open,
        Some(Ending::Finished) => End::Finished,
        Some(Ending::Reset(side)) if side == near => End::Reset(Near),
        Some(Ending::Reset(_)) => End::Reset(Far),
        Some(other) => panic!("{}: {other:?} without any time passing", row.name),
    };
    (tidy(&far_story), tidy(&near_story), end)
}

/// One space between words, one bar between the times that halb ran.
fn tidy(story: &[String]) -> String {
    story.join(" | ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A session that has carried enough in both directions to be in the mode.
fn rig_in(mode: Mode, full_edges: bool) -> Rig {
    let mut rig = Rig::new(Conditions { prefix: 0, pipe: Some(PIPE_MAX), full_edges });
    if !matches!(mode, Mode::Copy) {
        for side in [Side::Client, Side::Server] {
            rig.socket(side).says(8 * CHUNK);
        }
        rig.run();
        assert!(rig.splices > 0, "bulk is spliced");
    }
    if matches!(mode, Mode::NoPipe) {
        rig.set_pipe(None);
    }
    for side in [Side::Client, Side::Server] {
        rig.socket(side).seen.clear();
    }
    rig
}

/// What a peer saw since the last time, in words.
fn tell(rig: &mut Rig, side: Side) -> String {
    let seen = std::mem::take(&mut rig.socket(side).seen);
    let words: Vec<String> = seen
        .into_iter()
        .map(|seen| match seen {
            Seen::Bytes(count) => count.to_string(),
            Seen::Fin => "FIN".to_owned(),
            Seen::Rst => "RST".to_owned(),
        })
        .collect();
    words.join(" ")
}
