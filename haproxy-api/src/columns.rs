//! The columns of `show stat`, in the order that HAProxy promises to keep (doc/management.txt,
//! section 9.1), with the tags of `show stat typed`.

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name in the header.
    pub name: &'static str,
    /// How its values are stored.
    pub shape: Shape,
    /// What its values say, in two or three words.
    pub help: &'static str,
    tags: &'static str,
    backend_tags: &'static str,
}

/// How values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Unsigned, 32 bits.
    U32,
    /// Unsigned, 64 bits.
    U64,
    /// Signed, 32 bits.
    S32,
    /// Text.
    Str,
}

impl Shape {
    /// HAProxy's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::S32 => "s32",
            Self::Str => "str",
        }
    }
}

impl Column {
    /// Origin, nature and scope of its values, one letter each.
    #[must_use]
    pub fn tags(&self, of_backend: bool) -> &'static str {
        if of_backend { self.backend_tags } else { self.tags }
    }

    const fn of_backends(self, backend_tags: &'static str) -> Self {
        Self { backend_tags, ..self }
    }
}

/// Columns before the mark `-`, behind which come those of HAProxy's modules.
pub const CORE: usize = 103;

/// All of them.
pub static COLUMNS: [Column; 127] = [
    column("pxname", Shape::Str, "KNS", "name of the proxy"),
    column("svname", Shape::Str, "KNS", "FRONTEND, BACKEND, or the name of the server"),
    column("qcur", Shape::U32, "MGP", "connections that wait"),
    column("qmax", Shape::U32, "MMP", "most connections that waited at a time"),
    column("scur", Shape::U32, "MGP", "open connections"),
    column("smax", Shape::U32, "MMP", "most connections open at a time"),
    column("slim", Shape::U32, "CLP", "most connections that may be open at a time"),
    column("stot", Shape::U64, "MCP", "connections since the start"),
    column("bin", Shape::U64, "MCP", "bytes from clients"),
    column("bout", Shape::U64, "MCP", "bytes to clients"),
    column("dreq", Shape::U64, "MCP", "requests denied"),
    column("dresp", Shape::U64, "MCP", "responses denied"),
    column("ereq", Shape::U64, "MCP", "invalid requests"),
    column("econ", Shape::U64, "MCP", "failed connects to servers"),
    column("eresp", Shape::U64, "MCP", "invalid responses"),
    column("wretr", Shape::U64, "MCP", "connects tried again"),
    column("wredis", Shape::U64, "MCP", "connects moved to another server"),
    column("status", Shape::Str, "SGP", "status"),
    column("weight", Shape::U32, "MaP", "weight in force, of a backend the sum"),
    column("act", Shape::U32, "SGP", "servers that are up and no backups").of_backends("MGP"),
    column("bck", Shape::U32, "SGP", "backup servers that are up").of_backends("MGP"),
    column("chkfail", Shape::U64, "MCP", "failed checks"),
    column("chkdown", Shape::U64, "MCP", "changes from up to down"),
    column("lastchg", Shape::U32, "MAP", "seconds since the status changed"),
    column("downtime", Shape::U32, "MCP", "seconds spent down"),
    column("qlimit", Shape::U32, "CLP", "most connections that may wait for a server"),
    column("pid", Shape::U32, "KGP", "number of the process"),
    column("iid", Shape::U32, "KGS", "number of the proxy"),
    column("sid", Shape::U32, "KGS", "number of the server"),
    column(
        "throttle",
        Shape::U32,
        "CGP",
        "per cent of its weight that a server has while it starts slowly",
    ),
    column("lbtot", Shape::U64, "MCP", "connections that were balanced"),
    column("tracked", Shape::Str, "CGS", "server whose state is followed"),
    column("type", Shape::U32, "CGS", "0 frontend, 1 backend, 2 server"),
    column("rate", Shape::U32, "MRP", "new connections in the last second").of_backends("MGP"),
    column("rate_lim", Shape::U32, "CLP", "most new connections a second"),
    column("rate_max", Shape::U32, "MMP", "highest number of new connections in a second")
        .of_backends("MGP"),
    column("check_status", Shape::Str, "MOP", "code of the last check"),
    column("check_code", Shape::U32, "MOP", "status that the last check was answered with"),
    column("check_duration", Shape::U64, "MDP", "milliseconds that the last check took"),
    column("hrsp_1xx", Shape::U64, "MCP", "HTTP answers 1xx"),
    column("hrsp_2xx", Shape::U64, "MCP", "HTTP answers 2xx"),
    column("hrsp_3xx", Shape::U64, "MCP", "HTTP answers 3xx"),
    column("hrsp_4xx", Shape::U64, "MCP", "HTTP answers 4xx"),
    column("hrsp_5xx", Shape::U64, "MCP", "HTTP answers 5xx"),
    column("hrsp_other", Shape::U64, "MCP", "other HTTP answers"),
    column("hanafail", Shape::U64, "MCP", "failed checks of live traffic"),
    column("req_rate", Shape::U32, "MRP", "HTTP requests in the last second"),
    column("req_rate_max", Shape::U32, "MMP", "highest number of HTTP requests in a second"),
    column("req_tot", Shape::U64, "MCP", "HTTP requests"),
    column("cli_abrt", Shape::U64, "MCP", "connections that clients broke off"),
    column("srv_abrt", Shape::U64, "MCP", "connections that servers broke off"),
    column("comp_in", Shape::U64, "MCP", "bytes before compression"),
    column("comp_out", Shape::U64, "MCP", "bytes after compression"),
    column("comp_byp", Shape::U64, "MCP", "bytes that were not compressed"),
    column("comp_rsp", Shape::U64, "MCP", "compressed answers"),
    column("lastsess", Shape::S32, "MAP", "seconds since the last new connection"),
    column("last_chk", Shape::Str, "MOP", "last check in words"),
    column("last_agt", Shape::Str, "MOP", "last agent check in words"),
    column("qtime", Shape::U32, "MaP", "average milliseconds until a server was chosen"),
    column("ctime", Shape::U32, "MaP", "average milliseconds of connects"),
    column("rtime", Shape::U32, "MaP", "average milliseconds of HTTP responses"),
    column("ttime", Shape::U32, "MaP", "average milliseconds of connections"),
    column("agent_status", Shape::Str, "MOP", "code of the last agent check"),
    column("agent_code", Shape::U32, "MOP", "status of the last agent check"),
    column("agent_duration", Shape::U64, "MDP", "milliseconds that the last agent check took"),
    column("check_desc", Shape::Str, "MOP", "meaning of check_status"),
    column("agent_desc", Shape::Str, "MOP", "meaning of agent_status"),
    column("check_rise", Shape::U32, "CGS", "checks that make a server up"),
    column("check_fall", Shape::U32, "CGS", "failed checks that make a server down"),
    column("check_health", Shape::U32, "CGS", "health, 0 to rise + fall - 1"),
    column("agent_rise", Shape::U32, "CGS", "rise of agent checks"),
    column("agent_fall", Shape::U32, "CGS", "fall of agent checks"),
    column("agent_health", Shape::U32, "CGS", "health of agent checks"),
    column("addr", Shape::Str, "CGS", "address of the server"),
    column("cookie", Shape::Str, "CNS", "cookie of the server"),
    column("mode", Shape::Str, "CGS", "mode of the proxy"),
    column("algo", Shape::Str, "CGS", "how a server is chosen"),
    column("conn_rate", Shape::U32, "MRP", "connections accepted in the last second"),
    column(
        "conn_rate_max",
        Shape::U32,
        "MMP",
        "highest number of connections accepted in a second",
    ),
    column("conn_tot", Shape::U64, "MCP", "connections accepted"),
    column("intercepted", Shape::U64, "MCP", "requests answered here"),
    column("dcon", Shape::U64, "MCP", "connections refused by a rule"),
    column("dses", Shape::U64, "MCP", "sessions refused by a rule"),
    column("wrew", Shape::U64, "MCP", "failed rewrites"),
    column("connect", Shape::U64, "MCP", "attempts to connect"),
    column("reuse", Shape::U64, "MCP", "connections used again"),
    column("cache_lookups", Shape::U64, "MCP", "lookups in the cache"),
    column("cache_hits", Shape::U64, "MCP", "hits in the cache"),
    column("srv_icur", Shape::U32, "MGP", "idle connections"),
    column("src_ilim", Shape::U32, "CLP", "most idle connections"),
    column(
        "qtime_max",
        Shape::U32,
        "MMP",
        "longest time until a server was chosen, in milliseconds",
    ),
    column("ctime_max", Shape::U32, "MMP", "longest connect, in milliseconds"),
    column("rtime_max", Shape::U32, "MMP", "longest HTTP response, in milliseconds"),
    column("ttime_max", Shape::U32, "MMP", "longest connection, in milliseconds"),
    column("eint", Shape::U64, "MCP", "internal errors"),
    column("idle_conn_cur", Shape::U32, "MGP", "idle connections that may not be shared"),
    column("safe_conn_cur", Shape::U32, "MGP", "idle connections that may be shared"),
    column("used_conn_cur", Shape::U32, "MGP", "connections in use"),
    column("need_conn_est", Shape::U32, "MGP", "connections that are needed"),
    column("uweight", Shape::U32, "MaP", "weight that was asked for, of a backend the sum"),
    column("agg_server_status", Shape::U32, "MGP", "servers by status"),
    column("agg_server_check_status", Shape::U32, "MGP", "servers by status"),
    column("agg_check_status", Shape::U32, "MGP", "servers by code of their last check"),
    column("ssl_sess", Shape::U64, "MCP", "TLS, which halb passes on"),
    column("ssl_reused_sess", Shape::U64, "MCP", "TLS, which halb passes on"),
    column("ssl_failed_handshake", Shape::U64, "MCP", "TLS, which halb passes on"),
    column("h2_headers_rcvd", Shape::U64, "MCP", "HTTP, which halb passes on"),
    column("h2_data_rcvd", Shape::U64, "MCP", "HTTP, which halb passes on"),
    column("h2_settings_rcvd", Shape::U64, "MCP", "HTTP, which halb passes on"),
    column("h2_rst_stream_rcvd", Shape::U64, "MCP", "HTTP, which halb passes on"),
    column("h2_goaway_rcvd", Shape::U64, "MCP", "HTTP, which halb passes on"),
    column("h2_detected_conn_protocol_errors", Shape::U64, "MCP", "HTTP, which halb passes on"),
    column("h2_detected_strm_protocol_errors", Shape::U64, "MCP", "HTTP, which halb passes on"),
    column("h2_rst_stream_resp", Shape::U64, "MCP", "HTTP, which halb passes on"),
    column("h2_goaway_resp", Shape::U64, "MCP", "HTTP, which halb passes on"),
    column("h2_open_connections", Shape::U64, "MGP", "HTTP, which halb passes on"),
    column("h2_backend_open_streams", Shape::U64, "MGP", "HTTP, which halb passes on"),
    column("h2_total_connections", Shape::U64, "MCP", "HTTP, which halb passes on"),
    column("h2_backend_total_streams", Shape::U64, "MCP", "HTTP, which halb passes on"),
    column("h1_open_connections", Shape::U64, "MGP", "HTTP, which halb passes on"),
    column("h1_open_streams", Shape::U64, "MGP", "HTTP, which halb passes on"),
    column("h1_total_connections", Shape::U64, "MCP", "HTTP, which halb passes on"),
    column("h1_total_streams", Shape::U64, "MCP", "HTTP, which halb passes on"),
    column("h1_bytes_in", Shape::U64, "MCP", "HTTP, which halb passes on"),
    column("h1_bytes_out", Shape::U64, "MCP", "HTTP, which halb passes on"),
    column("h1_spliced_bytes_in", Shape::U64, "MCP", "HTTP, which halb passes on"),
    column("h1_spliced_bytes_out", Shape::U64, "MCP", "HTTP, which halb passes on"),
];

/// The header of `show stat`.
#[must_use]
pub fn header() -> String {
    let mut line = "# ".to_owned();
    for (index, column) in COLUMNS.iter().enumerate() {
        if index == CORE {
            line.push_str("-,");
        }
        line.push_str(column.name);
        line.push(',');
    }
    line.push('\n');
    line
}

const fn column(
    name: &'static str,
    shape: Shape,
    tags: &'static str,
    help: &'static str,
) -> Column {
    Column { name, shape, help, tags, backend_tags: tags }
}
