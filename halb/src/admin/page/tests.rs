use super::*;
use crate::status::samples;

#[test]
fn the_page_says_what_is_wrong_in_words() {
    let fine = render(&samples::all_fine().status());
    assert!(fine.contains("<h1 class=\"well\">All is well</h1>"));
    let down = render(&samples::all_down().status());
    assert!(down.contains("<h1 class=\"alert\">Not ready</h1>"));
    assert!(down.contains("<b>Alert:</b> no server of backend masters is up"));
    assert!(down.contains("kmaster2 of masters is DOWN for 12 s: L4CON connection refused"));
}

#[test]
fn the_page_needs_no_script_no_inline_style_and_nothing_from_elsewhere() {
    let page = render(&samples::one_down().status());
    for forbidden in
        ["<script", "<style", " style=", "//", " onload=", " onclick=", "<form", "<img"]
    {
        assert!(!page.contains(forbidden), "{forbidden} in {page}");
    }
    assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
}

#[test]
fn text_from_servers_stays_text() {
    let mut sample = samples::one_down();
    let view = sample.checks.get_mut("masters/kmaster2").unwrap();
    view.check.detail = "<script>alert('1' & \"2\")</script>".to_owned();
    let page = render(&sample.status());
    assert!(!page.contains("<script"));
    assert!(page.contains("&lt;script&gt;alert(&#39;1&#39; &amp; &quot;2&quot;)&lt;/script&gt;"));
}
