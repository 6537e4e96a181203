//! HAProxy's metrics, in its order, each with the column of `show stat` or the line of `show info`
//! that it is another name of (addons/promex). Those of HTTP alone are left out, as HAProxy leaves
//! them out for proxies in `mode tcp`.

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Where its value comes from.
    pub source: Source,
}

/// Its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A level.
    Gauge,
    /// A count since the start.
    Counter,
}

/// Where its value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// This column, or line.
    Column(&'static str),
    /// This column, which holds milliseconds.
    Milliseconds(&'static str),
    /// The status: one series for each, of which one is 1.
    Status,
    /// The code of the last check: one series for each, of which one is 1.
    CheckStatus,
    /// Servers of a backend by status.
    ServersByStatus,
    /// Servers of a backend by the code of their last check.
    ServersByCheck,
}

const fn metric(name: &'static str, kind: Kind, source: Source) -> Metric {
    Metric { name, kind, source }
}

/// Of the process.
pub static PROCESS: &[Metric] = &[
    metric("haproxy_process_nbthread", Kind::Gauge, Source::Column("Nbthread")),
    metric("haproxy_process_nbproc", Kind::Gauge, Source::Column("Nbproc")),
    metric("haproxy_process_relative_process_id", Kind::Gauge, Source::Column("Process_num")),
    metric("haproxy_process_uptime_seconds", Kind::Gauge, Source::Column("Uptime_sec")),
    metric("haproxy_process_pool_failures_total", Kind::Counter, Source::Column("PoolFailed")),
    metric("haproxy_process_max_fds", Kind::Gauge, Source::Column("Ulimit-n")),
    metric("haproxy_process_max_sockets", Kind::Gauge, Source::Column("Maxsock")),
    metric("haproxy_process_max_connections", Kind::Gauge, Source::Column("Maxconn")),
    metric("haproxy_process_hard_max_connections", Kind::Gauge, Source::Column("Hard_maxconn")),
    metric("haproxy_process_current_connections", Kind::Gauge, Source::Column("CurrConns")),
    metric("haproxy_process_connections_total", Kind::Counter, Source::Column("CumConns")),
    metric("haproxy_process_requests_total", Kind::Counter, Source::Column("CumReq")),
    metric("haproxy_process_max_ssl_connections", Kind::Gauge, Source::Column("MaxSslConns")),
    metric("haproxy_process_current_ssl_connections", Kind::Gauge, Source::Column("CurrSslConns")),
    metric("haproxy_process_ssl_connections_total", Kind::Counter, Source::Column("CumSslConns")),
    metric("haproxy_process_max_pipes", Kind::Gauge, Source::Column("Maxpipes")),
    metric("haproxy_process_pipes_used_total", Kind::Counter, Source::Column("PipesUsed")),
    metric("haproxy_process_pipes_free_total", Kind::Counter, Source::Column("PipesFree")),
    metric("haproxy_process_current_connection_rate", Kind::Gauge, Source::Column("ConnRate")),
    metric("haproxy_process_limit_connection_rate", Kind::Gauge, Source::Column("ConnRateLimit")),
    metric("haproxy_process_max_connection_rate", Kind::Gauge, Source::Column("MaxConnRate")),
    metric("haproxy_process_current_session_rate", Kind::Gauge, Source::Column("SessRate")),
    metric("haproxy_process_limit_session_rate", Kind::Gauge, Source::Column("SessRateLimit")),
    metric("haproxy_process_max_session_rate", Kind::Gauge, Source::Column("MaxSessRate")),
    metric("haproxy_process_current_ssl_rate", Kind::Gauge, Source::Column("SslRate")),
    metric("haproxy_process_limit_ssl_rate", Kind::Gauge, Source::Column("SslRateLimit")),
    metric("haproxy_process_max_ssl_rate", Kind::Gauge, Source::Column("MaxSslRate")),
    metric(
        "haproxy_process_current_frontend_ssl_key_rate",
        Kind::Gauge,
        Source::Column("SslFrontendKeyRate"),
    ),
    metric(
        "haproxy_process_max_frontend_ssl_key_rate",
        Kind::Gauge,
        Source::Column("SslFrontendMaxKeyRate"),
    ),
    metric(
        "haproxy_process_frontend_ssl_reuse",
        Kind::Gauge,
        Source::Column("SslFrontendSessionReuse_pct"),
    ),
    metric(
        "haproxy_process_current_backend_ssl_key_rate",
        Kind::Gauge,
        Source::Column("SslBackendKeyRate"),
    ),
    metric(
        "haproxy_process_max_backend_ssl_key_rate",
        Kind::Gauge,
        Source::Column("SslBackendMaxKeyRate"),
    ),
    metric(
        "haproxy_process_ssl_cache_lookups_total",
        Kind::Counter,
        Source::Column("SslCacheLookups"),
    ),
    metric(
        "haproxy_process_ssl_cache_misses_total",
        Kind::Counter,
        Source::Column("SslCacheMisses"),
    ),
    metric(
        "haproxy_process_http_comp_bytes_in_total",
        Kind::Counter,
        Source::Column("CompressBpsIn"),
    ),
    metric(
        "haproxy_process_http_comp_bytes_out_total",
        Kind::Counter,
        Source::Column("CompressBpsOut"),
    ),
    metric("haproxy_process_limit_http_comp", Kind::Gauge, Source::Column("CompressBpsRateLim")),
    metric("haproxy_process_current_tasks", Kind::Gauge, Source::Column("Tasks")),
    metric("haproxy_process_current_run_queue", Kind::Gauge, Source::Column("Run_queue")),
    metric("haproxy_process_idle_time_percent", Kind::Gauge, Source::Column("Idle_pct")),
    metric("haproxy_process_stopping", Kind::Gauge, Source::Column("Stopping")),
    metric("haproxy_process_jobs", Kind::Gauge, Source::Column("Jobs")),
    metric("haproxy_process_unstoppable_jobs", Kind::Gauge, Source::Column("Unstoppable Jobs")),
    metric("haproxy_process_listeners", Kind::Gauge, Source::Column("Listeners")),
    metric("haproxy_process_active_peers", Kind::Gauge, Source::Column("ActivePeers")),
    metric("haproxy_process_connected_peers", Kind::Gauge, Source::Column("ConnectedPeers")),
    metric("haproxy_process_dropped_logs_total", Kind::Counter, Source::Column("DroppedLogs")),
    metric("haproxy_process_busy_polling_enabled", Kind::Gauge, Source::Column("BusyPolling")),
    metric(
        "haproxy_process_failed_resolutions",
        Kind::Counter,
        Source::Column("FailedResolutions"),
    ),
    metric("haproxy_process_bytes_out_total", Kind::Counter, Source::Column("TotalBytesOut")),
    metric(
        "haproxy_process_spliced_bytes_out_total",
        Kind::Counter,
        Source::Column("TotalSplicdedBytesOut"),
    ),
    metric("haproxy_process_bytes_out_rate", Kind::Gauge, Source::Column("BytesOutRate")),
    metric("haproxy_process_recv_logs_total", Kind::Counter, Source::Column("CumRecvLogs")),
    metric("haproxy_process_build_info", Kind::Gauge, Source::Column("Build info")),
    metric("haproxy_process_max_memory_bytes", Kind::Gauge, Source::Column("Memmax_bytes")),
    metric("haproxy_process_pool_allocated_bytes", Kind::Gauge, Source::Column("PoolAlloc_bytes")),
    metric("haproxy_process_pool_used_bytes", Kind::Gauge, Source::Column("PoolUsed_bytes")),
    metric("haproxy_process_start_time_seconds", Kind::Gauge, Source::Column("Start_time_sec")),
];

/// Of each frontend.
pub static FRONTEND: &[Metric] = &[
    metric("haproxy_frontend_current_sessions", Kind::Gauge, Source::Column("scur")),
    metric("haproxy_frontend_max_sessions", Kind::Gauge, Source::Column("smax")),
    metric("haproxy_frontend_limit_sessions", Kind::Gauge, Source::Column("slim")),
    metric("haproxy_frontend_sessions_total", Kind::Counter, Source::Column("stot")),
    metric("haproxy_frontend_bytes_in_total", Kind::Counter, Source::Column("bin")),
    metric("haproxy_frontend_bytes_out_total", Kind::Counter, Source::Column("bout")),
    metric("haproxy_frontend_requests_denied_total", Kind::Counter, Source::Column("dreq")),
    metric("haproxy_frontend_responses_denied_total", Kind::Counter, Source::Column("dresp")),
    metric("haproxy_frontend_request_errors_total", Kind::Counter, Source::Column("ereq")),
    metric("haproxy_frontend_status", Kind::Gauge, Source::Status),
    metric("haproxy_frontend_limit_session_rate", Kind::Gauge, Source::Column("rate_lim")),
    metric("haproxy_frontend_max_session_rate", Kind::Gauge, Source::Column("rate_max")),
    metric("haproxy_frontend_connections_rate_max", Kind::Gauge, Source::Column("conn_rate_max")),
    metric("haproxy_frontend_connections_total", Kind::Counter, Source::Column("conn_tot")),
    metric("haproxy_frontend_denied_connections_total", Kind::Counter, Source::Column("dcon")),
    metric("haproxy_frontend_denied_sessions_total", Kind::Counter, Source::Column("dses")),
    metric("haproxy_frontend_failed_header_rewriting_total", Kind::Counter, Source::Column("wrew")),
    metric("haproxy_frontend_internal_errors_total", Kind::Counter, Source::Column("eint")),
];

/// Of each backend.
pub static BACKEND: &[Metric] = &[
    metric("haproxy_backend_current_queue", Kind::Gauge, Source::Column("qcur")),
    metric("haproxy_backend_max_queue", Kind::Gauge, Source::Column("qmax")),
    metric("haproxy_backend_current_sessions", Kind::Gauge, Source::Column("scur")),
    metric("haproxy_backend_max_sessions", Kind::Gauge, Source::Column("smax")),
    metric("haproxy_backend_limit_sessions", Kind::Gauge, Source::Column("slim")),
    metric("haproxy_backend_sessions_total", Kind::Counter, Source::Column("stot")),
    metric("haproxy_backend_bytes_in_total", Kind::Counter, Source::Column("bin")),
    metric("haproxy_backend_bytes_out_total", Kind::Counter, Source::Column("bout")),
    metric("haproxy_backend_requests_denied_total", Kind::Counter, Source::Column("dreq")),
    metric("haproxy_backend_responses_denied_total", Kind::Counter, Source::Column("dresp")),
    metric("haproxy_backend_connection_errors_total", Kind::Counter, Source::Column("econ")),
    metric("haproxy_backend_response_errors_total", Kind::Counter, Source::Column("eresp")),
    metric("haproxy_backend_retry_warnings_total", Kind::Counter, Source::Column("wretr")),
    metric("haproxy_backend_redispatch_warnings_total", Kind::Counter, Source::Column("wredis")),
    metric("haproxy_backend_status", Kind::Gauge, Source::Status),
    metric("haproxy_backend_weight", Kind::Gauge, Source::Column("weight")),
    metric("haproxy_backend_active_servers", Kind::Gauge, Source::Column("act")),
    metric("haproxy_backend_backup_servers", Kind::Gauge, Source::Column("bck")),
    metric("haproxy_backend_check_up_down_total", Kind::Counter, Source::Column("chkdown")),
    metric("haproxy_backend_check_last_change_seconds", Kind::Gauge, Source::Column("lastchg")),
    metric("haproxy_backend_downtime_seconds_total", Kind::Counter, Source::Column("downtime")),
    metric("haproxy_backend_loadbalanced_total", Kind::Counter, Source::Column("lbtot")),
    metric("haproxy_backend_max_session_rate", Kind::Gauge, Source::Column("rate_max")),
    metric("haproxy_backend_client_aborts_total", Kind::Counter, Source::Column("cli_abrt")),
    metric("haproxy_backend_server_aborts_total", Kind::Counter, Source::Column("srv_abrt")),
    metric("haproxy_backend_last_session_seconds", Kind::Gauge, Source::Column("lastsess")),
    metric(
        "haproxy_backend_queue_time_average_seconds",
        Kind::Gauge,
        Source::Milliseconds("qtime"),
    ),
    metric(
        "haproxy_backend_connect_time_average_seconds",
        Kind::Gauge,
        Source::Milliseconds("ctime"),
    ),
    metric(
        "haproxy_backend_response_time_average_seconds",
        Kind::Gauge,
        Source::Milliseconds("rtime"),
    ),
    metric(
        "haproxy_backend_total_time_average_seconds",
        Kind::Gauge,
        Source::Milliseconds("ttime"),
    ),
    metric("haproxy_backend_failed_header_rewriting_total", Kind::Counter, Source::Column("wrew")),
    metric("haproxy_backend_connection_attempts_total", Kind::Counter, Source::Column("connect")),
    metric("haproxy_backend_connection_reuses_total", Kind::Counter, Source::Column("reuse")),
    metric(
        "haproxy_backend_max_queue_time_seconds",
        Kind::Gauge,
        Source::Milliseconds("qtime_max"),
    ),
    metric(
        "haproxy_backend_max_connect_time_seconds",
        Kind::Gauge,
        Source::Milliseconds("ctime_max"),
    ),
    metric(
        "haproxy_backend_max_response_time_seconds",
        Kind::Gauge,
        Source::Milliseconds("rtime_max"),
    ),
    metric(
        "haproxy_backend_max_total_time_seconds",
        Kind::Gauge,
        Source::Milliseconds("ttime_max"),
    ),
    metric("haproxy_backend_internal_errors_total", Kind::Counter, Source::Column("eint")),
    metric("haproxy_backend_uweight", Kind::Gauge, Source::Column("uweight")),
    metric("haproxy_backend_agg_server_status", Kind::Gauge, Source::ServersByStatus),
    metric("haproxy_backend_agg_server_check_status", Kind::Gauge, Source::ServersByStatus),
    metric("haproxy_backend_agg_check_status", Kind::Gauge, Source::ServersByCheck),
];

/// Of each server.
pub static SERVER: &[Metric] = &[
    metric("haproxy_server_current_queue", Kind::Gauge, Source::Column("qcur")),
    metric("haproxy_server_max_queue", Kind::Gauge, Source::Column("qmax")),
    metric("haproxy_server_current_sessions", Kind::Gauge, Source::Column("scur")),
    metric("haproxy_server_max_sessions", Kind::Gauge, Source::Column("smax")),
    metric("haproxy_server_limit_sessions", Kind::Gauge, Source::Column("slim")),
    metric("haproxy_server_sessions_total", Kind::Counter, Source::Column("stot")),
    metric("haproxy_server_bytes_in_total", Kind::Counter, Source::Column("bin")),
    metric("haproxy_server_bytes_out_total", Kind::Counter, Source::Column("bout")),
    metric("haproxy_server_responses_denied_total", Kind::Counter, Source::Column("dresp")),
    metric("haproxy_server_connection_errors_total", Kind::Counter, Source::Column("econ")),
    metric("haproxy_server_response_errors_total", Kind::Counter, Source::Column("eresp")),
    metric("haproxy_server_retry_warnings_total", Kind::Counter, Source::Column("wretr")),
    metric("haproxy_server_redispatch_warnings_total", Kind::Counter, Source::Column("wredis")),
    metric("haproxy_server_status", Kind::Gauge, Source::Status),
    metric("haproxy_server_weight", Kind::Gauge, Source::Column("weight")),
    metric("haproxy_server_check_failures_total", Kind::Counter, Source::Column("chkfail")),
    metric("haproxy_server_check_up_down_total", Kind::Counter, Source::Column("chkdown")),
    metric("haproxy_server_check_last_change_seconds", Kind::Gauge, Source::Column("lastchg")),
    metric("haproxy_server_downtime_seconds_total", Kind::Counter, Source::Column("downtime")),
    metric("haproxy_server_queue_limit", Kind::Gauge, Source::Column("qlimit")),
    metric("haproxy_server_current_throttle", Kind::Gauge, Source::Column("throttle")),
    metric("haproxy_server_loadbalanced_total", Kind::Counter, Source::Column("lbtot")),
    metric("haproxy_server_max_session_rate", Kind::Gauge, Source::Column("rate_max")),
    metric("haproxy_server_check_status", Kind::Gauge, Source::CheckStatus),
    metric("haproxy_server_check_code", Kind::Gauge, Source::Column("check_code")),
    metric(
        "haproxy_server_check_duration_seconds",
        Kind::Gauge,
        Source::Milliseconds("check_duration"),
    ),
    metric("haproxy_server_client_aborts_total", Kind::Counter, Source::Column("cli_abrt")),
    metric("haproxy_server_server_aborts_total", Kind::Counter, Source::Column("srv_abrt")),
    metric("haproxy_server_last_session_seconds", Kind::Gauge, Source::Column("lastsess")),
    metric("haproxy_server_queue_time_average_seconds", Kind::Gauge, Source::Milliseconds("qtime")),
    metric(
        "haproxy_server_connect_time_average_seconds",
        Kind::Gauge,
        Source::Milliseconds("ctime"),
    ),
    metric(
        "haproxy_server_response_time_average_seconds",
        Kind::Gauge,
        Source::Milliseconds("rtime"),
    ),
    metric("haproxy_server_total_time_average_seconds", Kind::Gauge, Source::Milliseconds("ttime")),
    metric("haproxy_server_failed_header_rewriting_total", Kind::Counter, Source::Column("wrew")),
    metric("haproxy_server_connection_attempts_total", Kind::Counter, Source::Column("connect")),
    metric("haproxy_server_connection_reuses_total", Kind::Counter, Source::Column("reuse")),
    metric("haproxy_server_idle_connections_current", Kind::Gauge, Source::Column("srv_icur")),
    metric("haproxy_server_idle_connections_limit", Kind::Gauge, Source::Column("src_ilim")),
    metric("haproxy_server_max_queue_time_seconds", Kind::Gauge, Source::Milliseconds("qtime_max")),
    metric(
        "haproxy_server_max_connect_time_seconds",
        Kind::Gauge,
        Source::Milliseconds("ctime_max"),
    ),
    metric(
        "haproxy_server_max_response_time_seconds",
        Kind::Gauge,
        Source::Milliseconds("rtime_max"),
    ),
    metric("haproxy_server_max_total_time_seconds", Kind::Gauge, Source::Milliseconds("ttime_max")),
    metric("haproxy_server_internal_errors_total", Kind::Counter, Source::Column("eint")),
    metric(
        "haproxy_server_unsafe_idle_connections_current",
        Kind::Gauge,
        Source::Column("idle_conn_cur"),
    ),
    metric(
        "haproxy_server_safe_idle_connections_current",
        Kind::Gauge,
        Source::Column("safe_conn_cur"),
    ),
    metric("haproxy_server_used_connections_current", Kind::Gauge, Source::Column("used_conn_cur")),
    metric("haproxy_server_need_connections_current", Kind::Gauge, Source::Column("need_conn_est")),
    metric("haproxy_server_uweight", Kind::Gauge, Source::Column("uweight")),
];
