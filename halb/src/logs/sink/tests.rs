use std::sync::mpsc;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

/// Writes into a channel, and only while the gate is open.
struct Gated {
    gate: Arc<Mutex<()>>,
    written: mpsc::Sender<Vec<u8>>,
}

impl Write for Gated {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let _open = self.gate.lock().unwrap();
        self.written.send(lines.to_vec()).unwrap();
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_arrive_whole_and_in_order() {
    let (written, lines) = mpsc::channel();
    let sink = Sink::new(Gated { gate: Arc::default(), written }, Framing::lines()).unwrap();
    for number in 0..100 {
        sink.push(format!("{number}\n").as_bytes());
    }
    assert!(sink.flush(PATIENCE));
    let all: Vec<u8> = lines.try_iter().flatten().collect();
    let expected: String = (0..100).map(|n| format!("{n}\n")).collect();
    assert_eq!(String::from_utf8(all).unwrap(), expected);
    assert_eq!(sink.dropped(), 0);
}

#[test]
fn a_stalled_reader_makes_lines_drop_and_the_loss_is_said() {
    let gate = Arc::new(Mutex::new(()));
    let (written, lines) = mpsc::channel();
    let closed = gate.lock().unwrap();
    let sink = Sink::new(Gated { gate: Arc::clone(&gate), written }, Framing::lines()).unwrap();
    let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
    // The writer may take one buffer away before it stalls; a third can't fit.
    let pushed = 3 * BUFFER_LEN_MAX / line.len();
    for _ in 0..pushed {
        sink.push(&line);
    }
    let dropped = sink.dropped();
    assert!(dropped > 0);
    assert!(!sink.flush(Duration::ZERO));
    drop(closed);
    assert!(sink.flush(PATIENCE));
    let all: Vec<u8> = lines.try_iter().flatten().collect();
    let text = String::from_utf8(all).unwrap();
    let kept = text.lines().filter(|l| l.starts_with('x')).count();
    assert_eq!(kept + usize::try_from(dropped).unwrap(), pushed);
    assert!(text.contains(&format!("{dropped} log lines dropped")));
}

#[test]
fn lines_for_a_reader_that_is_gone_are_counted() {
    let sink = Sink::new(Gone, Framing::lines()).unwrap();
    sink.push(b"one\n");
    assert!(sink.flush(PATIENCE));
    sink.push(b"two\n");
    assert!(sink.flush(PATIENCE));
    assert_eq!(sink.dropped(), 2);
}
