use super::*;
use crate::samples::picture;

/// What HAProxy 2.6.12 of Debian 12 begins `show stat` with.
const HEADER: &str = "# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,\
    wredis,status,weight,act,bck,chkfail,chkdown,lastchg,downtime,qlimit,pid,iid,sid,throttle,\
    lbtot,tracked,type,rate,rate_lim,rate_max,check_status,check_code,check_duration,hrsp_1xx,\
    hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,hanafail,req_rate,req_rate_max,req_tot,\
    cli_abrt,srv_abrt,comp_in,comp_out,comp_byp,comp_rsp,lastsess,last_chk,last_agt,qtime,\
    ctime,rtime,ttime,agent_status,agent_code,agent_duration,check_desc,agent_desc,check_rise,\
    check_fall,check_health,agent_rise,agent_fall,agent_health,addr,cookie,mode,algo,\
    conn_rate,conn_rate_max,conn_tot,intercepted,dcon,dses,wrew,connect,reuse,cache_lookups,\
    cache_hits,srv_icur,src_ilim,qtime_max,ctime_max,rtime_max,ttime_max,eint,idle_conn_cur,\
    safe_conn_cur,used_conn_cur,need_conn_est,uweight,agg_server_status,\
    agg_server_check_status,agg_check_status,-,ssl_sess,ssl_reused_sess,ssl_failed_handshake,\
    h2_headers_rcvd,h2_data_rcvd,h2_settings_rcvd,h2_rst_stream_rcvd,h2_goaway_rcvd,\
    h2_detected_conn_protocol_errors,h2_detected_strm_protocol_errors,h2_rst_stream_resp,\
    h2_goaway_resp,h2_open_connections,h2_backend_open_streams,h2_total_connections,\
    h2_backend_total_streams,h1_open_connections,h1_open_streams,h1_total_connections,\
    h1_total_streams,h1_bytes_in,h1_bytes_out,h1_spliced_bytes_in,h1_spliced_bytes_out,";

fn csv_with(wanted: Wanted) -> Vec<String> {
    let text = show(&picture(), &wanted);
    text.lines().skip(1).map(|line| line.split(',').take(2).collect::<Vec<_>>().join("/")).collect()
}

#[test]
fn the_header_is_haproxy_s_to_the_letter() {
    assert_eq!(header().trim_end(), HEADER);
}

#[test]
fn rows_have_a_value_or_nothing_for_each_column_of_the_header() {
    let text = show(&picture(), &Wanted::default());
    for line in text.lines() {
        // The one value with a comma in it is in quotes.
        let line = line.replace("\"connection refused, said \"\"no\"\"\"", "why");
        assert_eq!(line.split(',').count(), HEADER.split(',').count(), "{line}");
    }
}

#[test]
fn servers_stand_between_the_frontend_and_the_backend_of_their_proxy() {
    let rows = csv_with(Wanted::default());
    let expected = [
        "kubernetes/FRONTEND",
        "masters/kmaster1",
        "masters/kmaster2",
        "masters/kmaster3",
        "masters/spare",
        "masters/BACKEND",
        "plain/one",
        "plain/BACKEND",
        "direct/FRONTEND",
        "direct/BACKEND",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn rows_are_chosen_by_proxy_kind_and_server() {
    let chosen = Wanted { proxy: 3, kinds: 4, server: 2, ..Wanted::default() };
    assert_eq!(csv_with(chosen), ["masters/kmaster2"]);
    let backends = Wanted { kinds: 2, ..Wanted::default() };
    assert_eq!(csv_with(backends), ["masters/BACKEND", "plain/BACKEND", "direct/BACKEND"]);
    assert!(csv_with(Wanted { kinds: 0, ..Wanted::default() }).is_empty());
    let up = csv_with(Wanted { kinds: 4, up_only: true, ..Wanted::default() });
    assert!(!up.contains(&"masters/kmaster3".to_owned()));
}

#[test]
fn each_typed_value_says_where_it_stands_and_what_it_is() {
    let wanted = Wanted { format: Format::Typed, proxy: 3, ..Wanted::default() };
    let text = show(&picture(), &wanted);
    for line in [
        "S.3.1.0.pxname.1:KNS:str:masters",
        "S.3.1.7.stot.1:MCP:u64:5",
        "S.3.1.36.check_status.1:MOP:str:L7OK",
        "S.3.1.55.lastsess.1:MAP:s32:-1",
        "B.3.0.19.act.1:MGP:u32:2",
        "S.3.1.19.act.1:SGP:u32:1",
    ] {
        assert!(text.lines().any(|told| told == line), "{line} is missing in\n{text}");
    }
    assert!(text.contains("\n\n"), "an empty line ends each row");
    let described = Wanted { described: true, ..wanted };
    assert!(show(&picture(), &described).contains("str:masters:\"name of the proxy\""));
}

#[test]
fn json_holds_the_same_values_with_their_tags_in_words() {
    let wanted = Wanted { format: Format::Json, ..Wanted::default() };
    let rows: serde_json::Value = serde_json::from_str(&show(&picture(), &wanted)).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 10);
    let expected = serde_json::json!({
        "objType": "Server", "proxyId": 3, "id": 1, "field": {"pos": 0, "name": "pxname"},
        "processNum": 1, "tags": {"origin": "Key", "nature": "Name", "scope": "Service"},
        "value": {"type": "str", "value": "masters"},
    });
    assert_eq!(rows[1][0], expected);
}
