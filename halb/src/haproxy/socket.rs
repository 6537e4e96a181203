//! The socket of runtime commands. What is said over it, a [`Conversation`] knows; here lines are
//! read within bounds, and answers written to whoever takes them.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use halb_config::settings::HaproxyLevel;
use halb_haproxy_api::conversation::{Answer, Conversation, Level, Order};
use halb_haproxy_api::picture::Picture;
use halb_haproxy_api::words::LINE_LEN_MAX;
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time;
use tracing::debug;

use crate::control::bound::BoundSocket;
use crate::control::frame::{LineError, read_line};

/// Most connections at a time (HAProxy's `stats maxconn` is 10); further ones wait in the backlog.
const CONNECTIONS_MAX: usize = 16;

/// A client that takes no byte of its answer for so long is sent away.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Most commands of one line that are carried out; scripts chain a handful.
const COMMANDS_MAX: usize = 1024;

/// What the daemon does for the socket.
pub trait Host: Send + Sync + 'static {
    /// The daemon at this moment.
    fn picture(&self) -> Coming<'_, Picture>;

    /// Carries out an order. What is told of it, with its end of line; nothing where it was simply
    /// done.
    fn carry_out(&self, order: Order) -> Coming<'_, String>;
}

/// Something that is on its way.
pub type Coming<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Serves until it is dropped.
pub async fn serve(socket: BoundSocket, level: HaproxyLevel, host: Arc<dyn Host>) {
    let level = match level {
        HaproxyLevel::User => Level::User,
        HaproxyLevel::Operator => Level::Operator,
        HaproxyLevel::Admin => Level::Admin,
    };
    let talk = move |stream| {
        let host = Arc::clone(&host);
        async move {
            if let Err(error) = converse(stream, Conversation::new(level), &*host).await {
                debug!(%error, "runtime connection ended early");
            }
        }
    };
    socket.serve(CONNECTIONS_MAX, talk).await;
}

/// Answers a line, and further ones where they have come with it or the client asked for a prompt.
async fn converse(
    mut stream: UnixStream,
    mut conversation: Conversation,
    host: &dyn Host,
) -> Result<(), LineError> {
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    loop {
        let reading = read_line(&mut reader, LINE_LEN_MAX);
        let Ok(read) = time::timeout(conversation.silence(), reading).await else { return Ok(()) };
        let Some(line) = read? else { return Ok(()) };
        let line = String::from_utf8_lossy(&line);
        for words in conversation.hear(&line).into_iter().take(COMMANDS_MAX) {
            let picture = host.picture().await;
            let mut said = match conversation.answer(&words, &picture) {
                Answer::Text(text) => text,
                Answer::Order(order) => host.carry_out(order).await,
                Answer::Leave => return Ok(()),
            };
            said.push_str(conversation.end());
            write(&mut writer, said.as_bytes()).await?;
        }
        if !conversation.stays() && reader.buffer().is_empty() {
            return Ok(());
        }
    }
}

async fn write(
    writer: &mut (impl tokio::io::AsyncWrite + Unpin),
    mut rest: &[u8],
) -> Result<(), LineError> {
    while !rest.is_empty() {
        let written = time::timeout(WRITE_TIMEOUT, writer.write(rest))
            .await
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
        if written == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into());
        }
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
