use super::*;
use crate::samples::picture;

#[test]
fn lines_are_name_and_value_in_haproxy_s_order() {
    let text = show(&picture(), Format::Plain);
    let expected = "Name: HAProxy\nVersion: 2.6.12-halb0.1.0\nNbthread: 2\nNbproc: 1\n\
                    Process_num: 1\nPid: 4711\nUptime: 1d 2h03m04s\nUptime_sec: 93784\n";
    assert!(text.starts_with(expected), "{text}");
    for line in ["Maxconn: 1000", "CumConns: 14", "Listeners: 2", "node: loadbalancer01"] {
        assert!(text.lines().any(|told| told == line), "{line} is missing in\n{text}");
    }
}

#[test]
fn typed_lines_and_json_have_the_same_numbers_of_lines() {
    let typed = show(&picture(), Format::Typed);
    assert!(typed.starts_with("0.Name.1:POS:str:HAProxy\n1.Version.1:POS:str:"), "{typed}");
    assert!(typed.contains("\n6.Pid.1:SGP:u32:4711\n"));
    let json: serde_json::Value = serde_json::from_str(&show(&picture(), Format::Json)).unwrap();
    assert_eq!(json.as_array().unwrap().len(), typed.lines().count());
    assert_eq!(json[0]["tags"]["origin"], "Product");
}
