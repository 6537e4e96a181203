use super::*;
use crate::status::samples;

#[test]
fn the_page_says_what_is_wrong_in_words() {
    let fine = render(&samples::all_fine().status());
    assert!(fine.contains("<h1 class=\"well\">All is well</h1>"));
    let down = render(&samples::all_down().status());
    assert!(down.contains("<h1 class=\"alert\">Not ready: no server is left</h1>"));
    assert!(down.contains("<b>Alert:</b> no server of backend masters is up"));
    assert!(down.contains("kmaster2 of masters is DOWN for 12 s: L4CON connection refused"));
}

#[test]
fn the_page_needs_no_inline_script_or_style_and_nothing_from_elsewhere() {
    let page = render(&samples::one_down().status());
    let own = r#"<script src="page.js" defer></script>"#;
    assert!(page.contains(own));
    let rest = page.replacen(own, "", 1);
    for forbidden in
        ["<script", "<style", " style=", "//", " onload=", " onclick=", "<form", "<img"]
    {
        assert!(!rest.contains(forbidden), "{forbidden} in {rest}");
    }
    assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    assert!(!SCRIPT.contains("http") && !SCRIPT.contains("eval("));
}

#[test]
fn without_scripts_the_browser_loads_the_page_again_and_has_all_but_rates() {
    let status = samples::one_down().status();
    let page = render(&status);
    assert!(page.contains(r#"<noscript><meta http-equiv="refresh" content="5"></noscript>"#));
    assert!(page.contains(&content(&status, None)));
    let mut later = status.clone();
    later.process.uptime_seconds += 1.0;
    assert!(content(&later, Some(&status)).contains("<p>A second: 0 new, 0 B in, 0 B out.</p>"));
}

#[test]
fn the_strip_of_checks_is_also_in_words() {
    let strip = Strip("..x?").to_string();
    let words = r#"role="img" aria-label="2 passed, 1 failed, 1 couldn't be made""#;
    assert!(strip.contains(words), "{strip}");
    assert!(
        strip.contains(r#"..<i class="alert">x</i><i class="warning">?</i></span>"#),
        "{strip}"
    );
}

#[test]
fn text_from_servers_stays_text() {
    let mut sample = samples::one_down();
    let view = sample.checks.get_mut("masters/kmaster2").unwrap();
    view.check.detail = "<script>alert('1' & \"2\")</script>".to_owned();
    let page = render(&sample.status());
    assert!(!page.contains("<script>"));
    assert!(page.contains("&lt;script&gt;alert(&#39;1&#39; &amp; &quot;2&quot;)&lt;/script&gt;"));
}
