//! The wire under a connection: it can hang, and it closes as its server ends.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::watch,
};

use super::{connection::Phase, server::Ending};

/// A gate before all connections of a server: while it is shut, they read and write nothing.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    shut: bool,
    /// Tasks that stand before it; at most one for each connection.
    waiting: Vec<Waker>,
}

impl Gate {
    pub(super) fn set(&self, shut: bool) {
        let waiting = {
            let mut state = self.state();
            state.shut = shut;
            std::mem::take(&mut state.waiting)
        };
        // When it is shut these look again and come back.
        waiting.into_iter().for_each(Waker::wake);
    }

    fn poll_open(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if !state.shut {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A TCP connection behind a gate, closed with FIN or RST as its server ends.
#[derive(Debug)]
pub(super) struct Gated {
    stream: TcpStream,
    gate: Arc<Gate>,
    phase: watch::Receiver<Phase>,
}

impl Gated {
    pub(super) fn new(stream: TcpStream, gate: Arc<Gate>, phase: watch::Receiver<Phase>) -> Self {
        Self { stream, gate, phase }
    }
}

impl Drop for Gated {
    fn drop(&mut self) {
        let phase = *self.phase.borrow();
        if phase == Phase::Over(Ending::Rst)
            && let Err(error) = self.stream.set_zero_linger()
        {
            eprintln!("a connection is closed, not reset: {error}");
        }
    }
}

impl AsyncRead for Gated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        std::task::ready!(self.gate.poll_open(cx));
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Gated {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        std::task::ready!(self.gate.poll_open(cx));
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.gate.poll_open(cx));
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.gate.poll_open(cx));
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
