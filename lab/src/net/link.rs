//! What is asked of an interface over netlink, in whichever namespace it is.

use std::{
    io,
    time::{Duration, Instant},
};

use futures_util::TryStreamExt;
use rtnetlink::{
    Handle,
    packet_route::link::{LinkAttribute, LinkMessage, State},
};

use super::{Error, namespace::Namespace};

/// The index of an interface.
pub(super) async fn index_of(netlink: &Handle, name: &str) -> Result<u32, rtnetlink::Error> {
    let mut links = netlink.link().get().match_name(name.to_owned()).execute();
    // The kernel answers a name that isn't there with an error.
    let link = links.try_next().await?.ok_or(rtnetlink::Error::RequestFailed)?;
    Ok(link.header.index)
}

/// Waits until the interface with this index passes packets.
///
/// Up and with a carrier isn't enough: the kernel activates the queue, and the port of a bridge, a
/// moment later (link watch), and drops packets until then. A lost ARP request costs a second.
pub(super) fn wait_until_operational(
    namespace: &Namespace,
    index: u32,
    host: &str,
) -> Result<(), Error> {
    let what = "waiting for its link";
    let up = namespace
        .netlink(async move |netlink: Handle| {
            let deadline = Instant::now() + ACTIVATION;
            loop {
                let mut links = netlink.link().get().match_index(index).execute();
                if links.try_next().await?.is_some_and(|link| is_operational(&link)) {
                    return Ok(true);
                }
                if Instant::now() >= deadline {
                    return Ok(false);
                }
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
        })
        .map_err(Error::netlink(host, what))?;
    if up {
        Ok(())
    } else {
        Err(Error::kernel(host, what)(io::Error::from(io::ErrorKind::TimedOut)))
    }
}

/// Operational state `up` of RFC 2863, which the kernel sets as it activates the interface.
fn is_operational(link: &LinkMessage) -> bool {
    link.attributes.contains(&LinkAttribute::OperState(State::Up))
}

/// How long activation may take: link watch works at once or at its next turn, within a second,
/// and waits for the locks that namespaces being removed hold.
const ACTIVATION: Duration = Duration::from_secs(10);

/// Time between two looks at the state.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);
