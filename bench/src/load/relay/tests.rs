use std::{
    net::{TcpListener as StdListener, TcpStream as StdStream},
    thread,
};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// A client and its server with a relay between.
fn pair() -> (StdStream, StdStream) {
    let server = StdListener::bind("127.0.0.1:0").unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    let relay = Relay::bind(any, server.local_addr().unwrap(), 1).unwrap();
    let address = relay.address();
    thread::spawn(move || relay.run());
    let client = StdStream::connect(address).unwrap();
    let (server, _) = server.accept().unwrap();
    for stream in [&client, &server] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
    }
    (client, server)
}

#[test]
fn bytes_pass_both_ways_also_where_a_reader_is_slow() {
    let (mut client, mut server) = pair();
    // More than the buffers of all sockets hold.
    let bytes: Vec<u8> = (0..32_u32 << 20).map(|at| (at % 251) as u8).collect();
    thread::scope(|scope| {
        let writing = scope.spawn(|| client.write_all(&bytes).unwrap());
        thread::sleep(Duration::from_millis(200));
        let mut got = vec![0; bytes.len()];
        server.read_exact(&mut got).unwrap();
        writing.join().unwrap();
        assert!(got == bytes, "not what was sent");
    });
    server.write_all(b"an answer").unwrap();
    let mut answer = [0; 9];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"an answer");
}

#[test]
fn who_said_all_still_hears_the_answer_and_both_ends_end() {
    let (mut client, mut server) = pair();
    client.write_all(b"a question").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut question = Vec::new();
    server.read_to_end(&mut question).unwrap();
    assert_eq!(question, b"a question");
    server.write_all(b"an answer").unwrap();
    drop(server);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"an answer");
}
