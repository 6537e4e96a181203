//! A link that carries only so much: a token bucket (tc-tbf(8)) before an interface.

use futures_util::StreamExt;
use rtnetlink::{
    Handle,
    packet_core::{
        DefaultNla, NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage,
        NetlinkPayload,
    },
    packet_route::{
        RouteNetlinkMessage,
        tc::{TcAttribute, TcHandle, TcMessage, TcOption},
    },
};

/// Lets an interface send so many bytes a second in place of what it could before; none: as many
/// as it can.
pub(super) async fn limit(
    mut netlink: Handle,
    interface: u32,
    bytes_per_second: Option<u32>,
) -> Result<(), rtnetlink::Error> {
    let index = i32::try_from(interface).map_err(|_| rtnetlink::Error::RequestFailed)?;
    let mut bucket = TcMessage::with_index(index);
    bucket.header.parent = TcHandle::ROOT;
    // What a virtual link has at first. Unlike a deletion, this succeeds where nothing was changed.
    bucket.attributes = match bytes_per_second {
        Some(rate) => {
            vec![TcAttribute::Kind("tbf".to_owned()), TcAttribute::Options(options(rate))]
        }
        None => vec![TcAttribute::Kind("noqueue".to_owned())],
    };
    let mut request = NetlinkMessage::from(RouteNetlinkMessage::NewQueueDiscipline(bucket));
    request.header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    let mut answers = netlink.request(request)?;
    while let Some(answer) = answers.next().await {
        if let NetlinkPayload::Error(error) = answer.payload
            && error.code.is_some()
        {
            return Err(rtnetlink::Error::NetlinkError(error));
        }
    }
    Ok(())
}

/// The options of linux/pkt_sched.h for a bucket of [`BURST`] bytes that fills at this rate.
fn options(rate: u32) -> Vec<TcOption> {
    let word = |value: u32| value.to_ne_bytes();
    // `struct tc_ratespec`: cell_log, linklayer, overhead, cell_align, mpu, rate.
    let steady = [[0, LINKLAYER_ETHERNET, 0, 0], [0; 4], word(rate)].concat();
    let no_peak = vec![0; steady.len()];
    let queue = (rate / QUEUED_PART_OF_A_SECOND).max(BURST);
    // `struct tc_tbf_qopt`: rate, peakrate, limit, buffer (given by BURST instead), mtu.
    let parameters = [steady, no_peak, [word(queue), word(0), word(0)].concat()].concat();
    debug_assert_eq!(parameters.len(), 9 * size_of::<u32>());
    let option = |kind, value: Vec<u8>| TcOption::Other(DefaultNla::new(kind, value));
    vec![option(TCA_TBF_PARMS, parameters), option(TCA_TBF_BURST, word(BURST).to_vec())]
}

const TCA_TBF_PARMS: u16 = 1;

const TCA_TBF_BURST: u16 = 6;

/// `TC_LINKLAYER_ETHERNET`: the kernel computes times itself and wants no table.
const LINKLAYER_ETHERNET: u8 = 1;

/// Two of the largest packets that a virtual link carries in one piece.
const BURST: u32 = 128 * 1024;

/// What waits before the link: a tenth of a second, as before a router of the field.
const QUEUED_PART_OF_A_SECOND: u32 = 10;
